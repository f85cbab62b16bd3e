package faults

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// serverConfig is the configuration of a server process.
type serverConfig struct {
	Name    string        `json:"name"`    // its answer to every call
	Address string        `json:"address"` // of gRPC, health service included
	Health  string        `json:"health"`  // address of GET /health, as Canton's nodes have it
	Service time.Duration `json:"service"` // how long a call takes
	MaxAge  time.Duration `json:"maxAge"`  // of a connection, then GOAWAY; 0 is no limit
	// Streams is how many calls a connection may have at once; 0 is no limit.
	Streams uint32 `json:"streams,omitempty"`
	// Standby makes the server a replica, which is passive at first, and says how it
	// is passive.
	Standby standby `json:"standby,omitempty"`
	// Reports makes the server report its load with each answer (ORCA).
	Reports bool `json:"reports,omitempty"`
}

const (
	// tallyEvery is how often a server reports what has arrived. When it is killed,
	// up to that much is lost.
	tallyEvery = 100 * time.Millisecond
	// tallyStep is the resolution in time of a replica's reports, since it matters
	// which replica was active then.
	tallyStep = 10 * time.Millisecond
	// graceLimit bounds a graceful stop, and how long calls may continue after a
	// GOAWAY.
	graceLimit = 5 * time.Second
	// pingsAllowed lets the peers send keepalive pings as often as grpc-go's
	// clients can, which is every 10 s.
	pingsAllowed = 5 * time.Second
	// mostClients bounds the names of clients that a server counts by.
	mostClients = 100
)

// server is the process that answers calls. It carries out orders one at a time.
type server struct {
	config  serverConfig
	health  *health.Server
	serving atomic.Bool    // what GET /health says
	running sync.WaitGroup // all goroutines
	grpc    *grpc.Server   // nil while it does not listen

	mu      sync.Mutex
	mode    mode
	changed chan struct{} // closed when the mode is no longer this one
	passive bool          // calls are turned away
	arrived []tallied     // and not told yet
	loaded  loaded        // what it reports of its load
}

func newServer(c serverConfig) *server {
	s := &server{config: c, health: health.NewServer(), mode: modeNormal, changed: make(chan struct{})}
	s.claim(c.Standby == "")
	s.passive = c.Standby == standbyAnswers
	return s
}

// serve runs a server process.
func serve(c serverConfig, in *json.Decoder, out *mouth) error {
	s := newServer(c)
	defer s.running.Wait()
	w := &http.Server{Handler: http.HandlerFunc(s.getHealth), ReadHeaderTimeout: graceLimit}
	forHealth, err := new(net.ListenConfig).Listen(context.Background(), "tcp", c.Health)
	if err != nil {
		return err
	}
	s.running.Go(func() { _ = w.Serve(forHealth) }) // it ends by what follows
	defer w.Close()                                 //nolint:errcheck // nothing is to be done about it
	if c.Standby != standbyRefuses {
		if err := s.listen(); err != nil {
			return err
		}
	}
	defer func() { s.refuse(0) }()
	over := make(chan struct{})
	s.running.Go(func() { s.tell(out, over) })
	defer close(over)

	if err := out.say(message{Kind: saysReady, At: time.Now()}); err != nil {
		return err
	}
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return eof(err)
		}
		if o.Op == opFinish {
			at := time.Now()
			s.refuse(graceLimit)
			return out.done(at, nil)
		}
		at, err := s.obey(o)
		if err := out.done(at, err); err != nil {
			return err
		}
	}
}

// listen starts accepting calls.
func (s *server) listen() error {
	options := []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsAllowed, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: s.config.MaxAge, MaxConnectionAgeGrace: graceLimit}),
		grpc.UnaryInterceptor(s.countUnary), grpc.StreamInterceptor(s.countStream),
	}
	if s.config.Streams > 0 {
		options = append(options, grpc.MaxConcurrentStreams(s.config.Streams))
	}
	if s.config.Reports {
		options = append(options, orca.CallMetricsServerOption(nil))
	}
	g := grpc.NewServer(options...)
	healthpb.RegisterHealthServer(g, s.health)
	g.RegisterService(&callService, s)
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.config.Address)
	if err != nil {
		return err
	}
	s.grpc = g
	s.running.Go(func() { _ = g.Serve(l) }) // refuse ends it
	return nil
}

// refuse closes the port; calls in flight have until the limit to finish.
func (s *server) refuse(limit time.Duration) {
	if s.grpc == nil {
		return
	}
	timer := time.AfterFunc(limit, s.grpc.Stop)
	defer timer.Stop()
	s.grpc.GracefulStop()
	s.grpc = nil
}

// eof returns nil for the end of the orders.
func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// obey carries out an order, and returns when it took effect.
func (s *server) obey(o order) (time.Time, error) {
	at := time.Now()
	switch o.Op {
	case opHealth:
		s.claim(o.Serving)
	case opBehave:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mode = o.Mode
		close(s.changed)
		s.changed = make(chan struct{})
	case opLead:
		return s.lead()
	case opStandBy:
		s.standBy()
	default:
		return at, errors.New("a server cannot " + string(o.Op))
	}
	return at, nil
}

// claim sets the health that the server reports, by gRPC and by HTTP.
func (s *server) claim(serving bool) {
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		state = healthpb.HealthCheckResponse_SERVING
	}
	s.serving.Store(serving)
	s.health.SetServingStatus("", state)
}

func (s *server) getHealth(w http.ResponseWriter, r *http.Request) {
	s.count(r.UserAgent(), arrivals{Probes: 1})
	if !s.serving.Load() {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// answer does the work of a call.
func (s *server) answer(ctx context.Context) (any, error) {
	s.mu.Lock()
	m, changed, passive := s.mode, s.changed, s.passive
	s.mu.Unlock()
	if passive {
		return nil, errPassive()
	}
	reported := s.report(ctx)
	defer reported()
	took := s.config.Service
	switch m {
	case modeFail:
		return nil, status.Error(codes.Unavailable, "this server fails every call")
	case modeNoReply, modeMute:
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	case modeSlow:
		took *= slowFactor
	case modeStuck:
		took = stuckTime
	case modeNormal:
	}
	if took > 0 {
		if err := sleep.Context(ctx, took); err != nil {
			return nil, status.FromContextError(err).Err()
		}
	}
	return wrapperspb.String(s.config.Name), nil
}

// The methods of callService. They do the same; Read is declared idempotent if the
// peer allows it.
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
