package lbtest

import (
	"context"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ServerHeader is the key of the response header that names the server, on every
// application call that has a header. Every application call has it in its trailer.
const ServerHeader = "lbtest-server"

// kind is the kind of a call that arrives.
type kind int

const (
	applicationCall kind = iota
	healthCheck
	healthWatch
	healthOther
	healthPage
	kinds
)

const healthPrefix = "/grpc.health.v1.Health/"

func kindOf(method string) kind {
	name, ok := strings.CutPrefix(method, healthPrefix)
	switch {
	case !ok:
		return applicationCall
	case name == "Check":
		return healthCheck
	case name == "Watch":
		return healthWatch
	default:
		return healthOther
	}
}

// arrive counts a call and applies the faults that the test has set. It returns an
// error if the handler must not run.
func (p *process) arrive(ctx context.Context, k kind) error {
	f, err := p.count(k)
	if err == nil {
		err = p.server.authorize(ctx)
	}
	switch {
	case err != nil:
		return err
	case f.code != codes.OK:
		return status.Error(f.code, f.message)
	case f.latency > 0:
		return p.sleep(ctx, f.latency)
	default:
		return nil
	}
}

// count waits until the server does not hang, then counts the call.
func (p *process) count(k kind) (fault, error) {
	s := p.server
	p.hung.wait(p.ended)
	s.mu.Lock()
	defer s.mu.Unlock()

	if !s.aliveLocked(p) {
		return fault{}, errEnded()
	}
	s.counts.calls[k]++
	if k == applicationCall {
		s.counts.lastCallAt = time.Now()
	}
	s.changeLocked()

	return s.faults[k], nil
}

func (p *process) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-timer.C:
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-p.ended:
		return errEnded()
	}
	if !p.hung.wait(p.ended) {
		return errEnded()
	}

	return nil
}

// errEnded returns the answer to a call on a server that was killed. It reaches no
// client.
func errEnded() error { return status.Error(codes.Unavailable, "lbtest: the server has ended") }

func (p *process) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	k := kindOf(info.FullMethod)
	if k == applicationCall {
		_ = grpc.SetTrailer(ctx, p.named()) // fails only without a stream
	}
	if err := p.arrive(ctx, k); err != nil {
		return nil, err
	}

	resp, err := handler(ctx, req)
	// A header keeps the client from retrying, so a failed call has none.
	if k == applicationCall && err == nil {
		_ = grpc.SetHeader(ctx, p.named()) // the handler may have sent it already
	}

	return resp, err
}

func (p *process) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	k := kindOf(info.FullMethod)
	if k == applicationCall {
		stream.SetTrailer(p.named())
		stream = &namedStream{ServerStream: stream, name: p.named()}
	}
	if err := p.arrive(stream.Context(), k); err != nil {
		return err
	}

	return handler(srv, stream)
}

func (p *process) named() metadata.MD { return metadata.Pairs(ServerHeader, p.server.name) }

// namedStream adds the server's name to the header when the header is sent, not
// earlier: a stream that fails without a header can be retried.
type namedStream struct {
	grpc.ServerStream

	name metadata.MD
	once sync.Once
}

func (s *namedStream) addName() {
	s.once.Do(func() { _ = s.ServerStream.SetHeader(s.name) }) // the transport may be closed already
}

func (s *namedStream) SendHeader(md metadata.MD) error {
	s.addName()

	return s.ServerStream.SendHeader(md)
}

func (s *namedStream) SendMsg(m any) error {
	s.addName()

	return s.ServerStream.SendMsg(m)
}

// unknownMethod answers calls of unknown methods, so that they are counted as well.
func unknownMethod(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)

	return status.Errorf(codes.Unimplemented, "unknown method %s", method)
}
