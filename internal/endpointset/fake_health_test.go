package endpointset

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// fakeServer is the gRPC health service at one address, whatever connections
// there are to it. It serves until told otherwise.
type fakeServer struct {
	mu       sync.Mutex
	answers  map[string]answer // of each service that differs from ""
	watching map[*fakeStream]bool
	noWatch  bool // Watch is UNIMPLEMENTED
	full     bool // no stream is to be had
	ended    bool // the connections to it have ended, which grpc has not reported
	checks   map[string]int
	watches  map[string]int
}

// answer is what the service says: a status, an error, or nothing at all.
type answer struct {
	status healthpb.HealthCheckResponse_ServingStatus
	err    error
	hang   bool
}

func serving() answer    { return answer{status: healthpb.HealthCheckResponse_SERVING} }
func notServing() answer { return answer{status: healthpb.HealthCheckResponse_NOT_SERVING} }
func hanging() answer    { return answer{hang: true} }
func failing(c codes.Code, message string) answer {
	return answer{err: status.Error(c, message)}
}

func newFakeServer() *fakeServer {
	return &fakeServer{
		answers: map[string]answer{"": serving()}, watching: make(map[*fakeStream]bool),
		checks: make(map[string]int), watches: make(map[string]int),
	}
}

// says changes the answer for a service, and tells those who watch it.
func (s *fakeServer) says(service string, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[service] = a
	for w := range s.watching {
		if w.service == service {
			w.push(a)
		}
	}
}

// set changes what is said of the server as a whole.
func (s *fakeServer) set(a answer) { s.says("", a) }

func (s *fakeServer) isFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

func (s *fakeServer) hasEnded(ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = ended
}

func (s *fakeServer) withoutWatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noWatch = true
}

func (s *fakeServer) checkCalls(service string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checks[service]
}

func (s *fakeServer) watchCalls(service string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches[service]
}

func (s *fakeServer) openWatches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watching)
}

// fakeConn is one connection to a fakeServer, as a producer gets it.
type fakeConn struct {
	grpc.ClientConnInterface

	server *fakeServer
}

func (c *fakeConn) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	s := c.server
	s.mu.Lock()
	full, ended := s.full, s.ended
	s.mu.Unlock()
	if ended {
		return nil, status.Error(codes.Unavailable, "SubConn state is not Ready")
	}
	if full {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return &fakeStream{ctx: ctx, server: s, watch: method == healthpb.Health_Watch_FullMethodName, pushed: make(chan answer, 100)}, nil
}

// fakeStream is one call of Check or Watch.
type fakeStream struct {
	grpc.ClientStream

	ctx     context.Context
	server  *fakeServer
	watch   bool
	service string
	pushed  chan answer
}

func (f *fakeStream) CloseSend() error { return nil }

func (f *fakeStream) push(a answer) {
	if !a.hang {
		f.pushed <- a
	}
}

func (f *fakeStream) SendMsg(m any) error {
	f.service = m.(*healthpb.HealthCheckRequest).GetService()
	s := f.server
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.answers[f.service]
	if !f.watch {
		s.checks[f.service]++
		if !known {
			a = failing(codes.NotFound, "unknown service")
		}
		f.push(a)
		return nil
	}
	s.watches[f.service]++
	switch {
	case s.noWatch:
		a = failing(codes.Unimplemented, "no Watch")
	case !known:
		a = answer{status: healthpb.HealthCheckResponse_SERVICE_UNKNOWN}
	}
	s.watching[f] = true
	f.push(a)
	return nil
}

func (f *fakeStream) RecvMsg(m any) error {
	select {
	case <-f.ctx.Done():
		f.end()
		return status.FromContextError(f.ctx.Err()).Err()
	case a, ok := <-f.pushed:
		switch {
		case !ok:
			f.end()
			return io.EOF
		case a.err != nil:
			f.end()
			return a.err
		}
		m.(*healthpb.HealthCheckResponse).Status = a.status
		return nil
	}
}

func (f *fakeStream) end() {
	f.server.mu.Lock()
	defer f.server.mu.Unlock()
	delete(f.server.watching, f)
}
