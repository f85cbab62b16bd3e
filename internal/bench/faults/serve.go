package faults

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// serverConfig is what a server process is told.
type serverConfig struct {
	Name    string        `json:"name"`    // its answer to every call
	Address string        `json:"address"` // of gRPC, health service included
	Health  string        `json:"health"`  // address of GET /health, as Canton's nodes have it
	Service time.Duration `json:"service"` // how long a call takes
	MaxAge  time.Duration `json:"maxAge"`  // of a connection, then GOAWAY; 0 is no limit
}

const (
	// tallyEvery is how often a server tells what has arrived; so much of it is
	// lost when it is killed.
	tallyEvery = 100 * time.Millisecond
	// graceLimit bounds a graceful stop, and how long calls may go on after a
	// GOAWAY.
	graceLimit = 5 * time.Second
	// pingsAllowed lets the peers send keepalive pings as often as grpc-go's
	// clients can, which is every 10 s.
	pingsAllowed = 5 * time.Second
	// mostClients bounds the names of clients that a server counts by.
	mostClients = 100
)

// server is the process that answers calls.
type server struct {
	name    string
	service time.Duration
	health  *health.Server
	serving atomic.Bool // what GET /health says

	mu      sync.Mutex
	mode    mode
	changed chan struct{} // closed when the mode is no longer this one
	arrived map[string]arrivals
}

// serve is a server process from start to end.
func serve(c serverConfig, in *json.Decoder, out *mouth) error {
	s := &server{
		name: c.Name, service: c.Service, health: health.NewServer(),
		mode: modeNormal, changed: make(chan struct{}), arrived: make(map[string]arrivals),
	}
	s.serving.Store(true)
	g := grpc.NewServer(
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsAllowed, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: c.MaxAge, MaxConnectionAgeGrace: graceLimit}),
		grpc.UnaryInterceptor(s.countUnary), grpc.StreamInterceptor(s.countStream),
	)
	healthpb.RegisterHealthServer(g, s.health)
	g.RegisterService(&callService, s)
	w := &http.Server{Handler: http.HandlerFunc(s.getHealth), ReadHeaderTimeout: graceLimit}

	var listen net.ListenConfig
	forHealth, err := listen.Listen(context.Background(), "tcp", c.Health)
	if err != nil {
		return err
	}
	forCalls, err := listen.Listen(context.Background(), "tcp", c.Address)
	if err != nil {
		return errors.Join(err, forHealth.Close())
	}
	var running sync.WaitGroup
	running.Go(func() { _ = w.Serve(forHealth) }) // both end by what follows
	running.Go(func() { _ = g.Serve(forCalls) })
	over := make(chan struct{})
	running.Go(func() { s.tell(out, over) })
	defer running.Wait()
	defer close(over)
	defer w.Close() //nolint:errcheck // nothing is to be done about it
	defer g.Stop()

	if err := out.say(message{Kind: saysReady, At: time.Now()}); err != nil {
		return err
	}
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return eof(err)
		}
		if o.Op == opFinish {
			stopGracefully(g)
			return out.done(nil)
		}
		if err := out.done(s.obey(o)); err != nil {
			return err
		}
	}
}

// stopGracefully lets calls under way finish, but not for ever.
func stopGracefully(g *grpc.Server) {
	limit := time.AfterFunc(graceLimit, g.Stop)
	defer limit.Stop()
	g.GracefulStop()
}

// eof takes the end of the orders for what it is.
func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (s *server) obey(o order) error {
	switch o.Op {
	case opHealth:
		state := healthpb.HealthCheckResponse_NOT_SERVING
		if o.Serving {
			state = healthpb.HealthCheckResponse_SERVING
		}
		s.serving.Store(o.Serving)
		s.health.SetServingStatus("", state)
	case opBehave:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mode = o.Mode
		close(s.changed)
		s.changed = make(chan struct{})
	default:
		return errors.New("a server cannot " + string(o.Op))
	}
	return nil
}

// tell says what has arrived, again and again, and last of all when over is
// closed.
func (s *server) tell(out *mouth, over <-chan struct{}) {
	ticker := time.NewTicker(tallyEvery)
	defer ticker.Stop()
	for last := false; !last; {
		select {
		case <-ticker.C:
		case <-over:
			last = true
		}
		s.mu.Lock()
		arrived := s.arrived
		s.arrived = make(map[string]arrivals)
		s.mu.Unlock()
		if len(arrived) > 0 && out.say(message{Kind: saysArrived, At: time.Now(), Arrived: arrived}) != nil {
			return // nobody listens
		}
	}
}

// count takes in that something has come from the client with this user agent.
func (s *server) count(agent string, one arrivals) {
	name, _, _ := strings.Cut(agent, " ") // grpc appends its own
	s.mu.Lock()
	defer s.mu.Unlock()
	had, known := s.arrived[name]
	if !known && len(s.arrived) >= mostClients {
		return
	}
	s.arrived[name] = arrivals{Calls: had.Calls + one.Calls, Probes: had.Probes + one.Probes}
}

func (s *server) countRPC(ctx context.Context, method string) {
	one := arrivals{Calls: 1}
	if strings.HasPrefix(method, "/grpc.health.") {
		one = arrivals{Probes: 1}
	}
	agent := ""
	if values := metadata.ValueFromIncomingContext(ctx, "user-agent"); len(values) > 0 {
		agent = values[0]
	}
	s.count(agent, one)
}

func (s *server) countUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s.countRPC(ctx, info.FullMethod)
	return next(ctx, req)
}

func (s *server) countStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s.countRPC(stream.Context(), info.FullMethod)
	return next(srv, stream)
}

func (s *server) getHealth(w http.ResponseWriter, r *http.Request) {
	s.count(r.UserAgent(), arrivals{Probes: 1})
	if !s.serving.Load() {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// answer is the work of a call.
func (s *server) answer(ctx context.Context) (any, error) {
	s.mu.Lock()
	m, changed := s.mode, s.changed
	s.mu.Unlock()
	took := s.service
	switch m {
	case modeFail:
		return nil, status.Error(codes.Unavailable, "this server fails every call")
	case modeNoReply:
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	case modeSlow:
		took *= slowFactor
	case modeNormal:
	}
	if took > 0 {
		if err := pause(ctx, took); err != nil {
			return nil, status.FromContextError(err).Err()
		}
	}
	return wrapperspb.String(s.name), nil
}

// The methods of callService. They do the same; Read is declared idempotent
// where that can be declared.
const (
	serviceName = "cantonlb.bench.Faults"
	methodRead  = "/" + serviceName + "/Read"
	methodWrite = "/" + serviceName + "/Write"
)

var callService = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Read", Handler: handle(methodRead)},
		{MethodName: "Write", Handler: handle(methodWrite)},
	},
}

func handle(method string) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		s, ok := srv.(*server)
		if !ok {
			return nil, errors.New("not the server of this service")
		}
		in := new(emptypb.Empty)
		if err := decode(in); err != nil {
			return nil, err
		}
		return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: method},
			func(ctx context.Context, _ any) (any, error) { return s.answer(ctx) })
	}
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
