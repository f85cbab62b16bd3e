package endpointset

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

// useLocked has f make calls on the connection, in a goroutine of its own, once
// Set.mu is released. The context of f ends with the connection, with the set, or
// by the function that it gives; Close waits for f to return.
func (c *conn) useLocked(f func(context.Context, grpc.ClientConnInterface)) context.CancelFunc {
	s := c.endpoint.set
	ctx, cancel := context.WithCancel(s.ctx)
	s.wg.Add(1)
	s.calls.Do(func() {
		p, release := c.SubConn().GetOrBuildProducer(&producerBuilder{cancel: cancel})
		go func() {
			defer s.wg.Done()
			defer release()
			defer cancel()
			if cc, ok := p.(grpc.ClientConnInterface); ok { // what grpc says it gives
				f(ctx, cc)
			}
		}()
	})
	return cancel
}

// onConn makes the calls of generated stubs on one connection. What grpc gives for
// that makes streams; its unary calls heed no option that gives something back.
type onConn struct{ grpc.ClientConnInterface }

// Invoke makes a unary call.
func (c onConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.NewStream(ctx, new(grpc.StreamDesc), method, opts...)
	if err != nil {
		return err
	}
	// An io.EOF says that the stream has ended already; receiving tells why.
	if err = stream.SendMsg(args); err == nil || errors.Is(err, io.EOF) {
		err = stream.RecvMsg(reply)
	}
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr, _ = stream.Header() // its error is that of the call
		case grpc.TrailerCallOption:
			*o.TrailerAddr = stream.Trailer()
		case grpc.PeerCallOption:
			if p, ok := peer.FromContext(stream.Context()); ok { //nolint:contextcheck // the stream knows its peer
				*o.PeerAddr = *p
			}
		}
	}
	return err
}
