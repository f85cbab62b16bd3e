package transport

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// OnConn makes the calls of generated stubs on one connection. What grpc gives for
// that makes streams; its unary calls heed no option that gives something back.
type OnConn struct{ grpc.ClientConnInterface }

// Invoke makes a unary call.
func (c OnConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
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

// Ended reports whether the connection of a SubConn, to which cc belongs, has ended. A
// stream without a connection is UNAVAILABLE. On a connection, a stream with an unknown
// codec is refused by grpc itself; nothing is sent, and no credentials are asked.
func Ended(cc grpc.ClientConnInterface) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // it never waits
	_, err := cc.NewStream(ctx, new(grpc.StreamDesc), "/", grpc.CallContentSubtype("cantonlb-none"))
	return status.Code(err) == codes.Unavailable
}
