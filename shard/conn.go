package shard

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

var _ grpc.ClientConnInterface = (*Router)(nil)

// read returns what a message says, by the program's function or by the table.
func (r *Router) read(method string, message any) Request {
	if r.cfg.Read != nil {
		if q, ok := r.cfg.Read(method, message); ok {
			if q.Method == "" {
				q.Method = method
			}
			q.HTTP = false
			return q
		}
	}
	return Read(method, message)
}

// Invoke implements grpc.ClientConnInterface: it makes the call at the shard that the
// request belongs to. The errors of Route are returned as they are, and have a gRPC
// status.
func (r *Router) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	t, err := r.Route(ctx, r.read(method, args))
	if err != nil {
		return err
	}
	return t.Client.Invoke(ctx, method, args, reply, opts...)
}

// NewStream implements grpc.ClientConnInterface. The stream is opened at the shard of the
// first message that is sent, so SendMsg returns the errors of Route. Until then the other
// methods wait. A stream on which nothing is sent goes where its context or the default
// says. With WithShard and WithProvider it is opened at once.
func (r *Router) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s := &stream{router: r, ctx: ctx, desc: desc, method: method, opts: opts, opened: make(chan struct{})}
	if c := choiceOf(ctx); c.shard != "" || c.provider != "" {
		t, err := r.Route(ctx, Request{Method: method})
		if err != nil {
			return nil, err
		}
		return t.Client.NewStream(ctx, desc, method, opts...)
	}
	return s, nil
}

// stream is a stream that is opened when its first message shows which shard it belongs to.
type stream struct {
	router *Router
	ctx    context.Context //nolint:containedctx // the stream's
	desc   *grpc.StreamDesc
	method string
	opts   []grpc.CallOption

	opening atomic.Bool
	// opened is closed once inner or err is set.
	opened chan struct{}
	inner  grpc.ClientStream
	err    error
}

// open opens the stream at the shard of a request, or waits until that is done.
func (s *stream) open(q func() Request) (grpc.ClientStream, error) {
	if !s.opening.CompareAndSwap(false, true) {
		return s.wait()
	}
	defer close(s.opened)
	t, err := s.router.Route(s.ctx, q())
	if err == nil {
		s.inner, err = t.Client.NewStream(s.ctx, s.desc, s.method, s.opts...)
	}
	s.err = err
	return s.inner, s.err
}

// wait waits until the stream is open.
func (s *stream) wait() (grpc.ClientStream, error) {
	select {
	case <-s.opened:
		return s.inner, s.err
	default:
	}
	select {
	case <-s.opened:
		return s.inner, s.err
	case <-s.ctx.Done():
		return nil, status.FromContextError(s.ctx.Err()).Err()
	case <-s.router.ctx.Done():
		return nil, refuse(ErrClosed)
	}
}

// SendMsg implements grpc.ClientStream.
func (s *stream) SendMsg(m any) error {
	inner, err := s.open(func() Request { return s.router.read(s.method, m) })
	if err != nil {
		return err
	}
	return inner.SendMsg(m)
}

// CloseSend implements grpc.ClientStream.
func (s *stream) CloseSend() error {
	inner, err := s.open(func() Request { return Request{Method: s.method} })
	if err != nil {
		return err
	}
	return inner.CloseSend()
}

// RecvMsg implements grpc.ClientStream.
func (s *stream) RecvMsg(m any) error {
	inner, err := s.wait()
	if err != nil {
		return err
	}
	return inner.RecvMsg(m)
}

// Header implements grpc.ClientStream.
func (s *stream) Header() (metadata.MD, error) {
	inner, err := s.wait()
	if err != nil {
		return nil, err
	}
	return inner.Header()
}

// Trailer implements grpc.ClientStream.
func (s *stream) Trailer() metadata.MD {
	select {
	case <-s.opened:
		if s.inner != nil {
			return s.inner.Trailer()
		}
	default:
	}
	return nil
}

// Context implements grpc.ClientStream. It does not wait: before the stream is open, it
// returns the context that the stream was made with.
func (s *stream) Context() context.Context {
	select {
	case <-s.opened:
		if s.inner != nil {
			return s.inner.Context()
		}
	default:
	}
	return s.ctx
}
