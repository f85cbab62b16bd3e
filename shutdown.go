package cantonlb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// ErrShutdown is the error of calls and streams that are begun after Client.Shutdown, and
// of streams that it has ended. It is a gRPC status with the code UNAVAILABLE.
var ErrShutdown error = shutdownError{}

type shutdownError struct{}

const shutdownText = "the client is shutting down"

// Error returns the text that grpc gives a status.
func (shutdownError) Error() string {
	return fmt.Sprintf("rpc error: code = %v desc = %s", codes.Unavailable, shutdownText)
}

// GRPCStatus returns the error as a gRPC status.
func (shutdownError) GRPCStatus() *status.Status { return status.New(codes.Unavailable, shutdownText) }

// Shutdown ends the client gracefully: new calls and streams fail with ErrShutdown,
// streams end with it at once, since most of them would never end by themselves, and
// unary calls may finish. When all have ended, or ctx ends, Shutdown closes the client,
// as Close does. The error is that of Close, or says how many calls did not finish and
// wraps that of ctx. Shutdown may be called more than once, and together with Close. It
// must not be called by an interceptor or another function that is part of a call.
func (c *Client) Shutdown(ctx context.Context) error {
	c.gate.close()
	for pause := time.Millisecond; c.gate.inFlight() > 0 && sleep.For(ctx, pause); {
		pause = min(2*pause, mostDrainPause)
	}
	n := c.gate.inFlight()
	err := c.Close()
	if n > 0 && ctx.Err() != nil {
		return errors.Join(fmt.Errorf("cantonlb: shutdown: %d calls did not finish: %w", n, ctx.Err()), err)
	}
	return err
}

// mostDrainPause is the longest pause between two looks at the calls in flight.
const mostDrainPause = 20 * time.Millisecond

// WaitDrained waits until no call is in flight on the endpoint with this name: until
// nothing is lost by stopping its server. The endpoint must be drained, or have left the
// list; otherwise new calls would go to it, which is an error. A name that is not in the
// list is known while calls of it are in flight, and is an error after that. If ctx ends
// first, the error says how many calls are in flight and wraps that of ctx. Streams end
// when the program, the server or Config.StreamDrain ends them.
func (c *Client) WaitDrained(ctx context.Context, name string) error {
	for pause := time.Millisecond; ; pause = min(2*pause, mostDrainPause) {
		n, leaving, err := c.set.Draining(name)
		switch {
		case err != nil:
			return wrapped(err)
		case n == 0 && !leaving:
			return nil
		case sleep.For(ctx, pause):
		case leaving:
			return fmt.Errorf("cantonlb: endpoint %q has left the list and still serves: %w", name, ctx.Err())
		default:
			return fmt.Errorf("cantonlb: endpoint %q has %d calls in flight: %w", name, n, ctx.Err())
		}
	}
}

// gate counts the calls of a client, and refuses new ones once it is closed. Its zero
// value is open. It is safe for concurrent use.
type gate struct {
	calls atomic.Int64 // in flight; negative once the gate is closed

	mu      sync.Mutex
	streams map[*gatedStream]struct{} // that are open or being opened
}

// shut is what closing adds to gate.calls.
const shut = -1 << 62

func (g *gate) enter() bool {
	if g.calls.Add(1) > 0 {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() { g.calls.Add(-1) }

// inFlight returns how many calls are in flight once the gate is closed.
func (g *gate) inFlight() int64 { return g.calls.Load() - shut }

// close refuses new calls and ends all streams. It may be called more than once.
func (g *gate) close() {
	for n := g.calls.Load(); n >= 0 && !g.calls.CompareAndSwap(n, n+shut); n = g.calls.Load() {
	}
	g.mu.Lock()
	streams := g.streams
	g.streams = nil
	g.mu.Unlock()
	for s := range streams {
		s.cancel(ErrShutdown)
	}
}

// unary is the interceptor of unary calls.
func (g *gate) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if !g.enter() {
		return ErrShutdown
	}
	defer g.leave()
	return invoke(ctx, method, req, reply, cc, opts...)
}

// stream is the interceptor of streams.
func (g *gate) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if !g.enter() {
		return nil, ErrShutdown
	}
	own, cancel := context.WithCancelCause(ctx)
	s := &gatedStream{ctx: own, caller: ctx, cancel: cancel}
	g.add(s)
	finish := sync.OnceFunc(func() { g.remove(s) })
	stream, err := open(own, desc, cc, method, append(slices.Clip(opts), grpc.OnFinish(func(error) { finish() }))...)
	if err != nil {
		finish()
		return nil, s.failed(err)
	}
	s.ClientStream = stream
	return s, nil
}

func (g *gate) add(s *gatedStream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls.Load() < 0 { // it was closed meanwhile
		s.cancel(ErrShutdown)
		return
	}
	if g.streams == nil {
		g.streams = make(map[*gatedStream]struct{})
	}
	g.streams[s] = struct{}{}
}

func (g *gate) remove(s *gatedStream) {
	g.mu.Lock()
	delete(g.streams, s)
	g.mu.Unlock()
	g.leave()
}

// gatedStream is a stream that the gate can end.
type gatedStream struct {
	grpc.ClientStream

	ctx, caller context.Context //nolint:containedctx // they show who has ended the stream
	cancel      context.CancelCauseFunc
	end         atomic.Pointer[error] // with which it has ended
}

// failed returns the stream's error, which is ErrShutdown if the gate has ended it, and
// the first one if there are several. It releases the stream's context only now: to the
// interceptors below that context is the caller's, and shows who has ended the stream.
func (s *gatedStream) failed(err error) error {
	defer s.cancel(nil)
	ended := context.Cause(s.ctx) == ErrShutdown //nolint:errorlint // the cause is never wrapped
	if ended && status.Code(err) == codes.Canceled && s.caller.Err() == nil {
		err = ErrShutdown
	}
	s.end.CompareAndSwap(nil, &err)
	return *s.end.Load()
}

func (s *gatedStream) RecvMsg(msg any) error {
	if end := s.end.Load(); end != nil {
		return *end
	}
	if err := s.ClientStream.RecvMsg(msg); err != nil {
		return s.failed(err)
	}
	return nil
}

func (s *gatedStream) SendMsg(msg any) error {
	err := s.ClientStream.SendMsg(msg)
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is never wrapped; RecvMsg returns the error
		return err
	}
	return s.failed(err)
}
