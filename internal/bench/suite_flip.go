package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
	"github.com/cantonlb/cantonlb/internal/sleep"
)

var (
	metricLateP50 = metric{name: "flip to last call, p50", unit: seconds}
	metricLateP99 = metric{name: "flip to last call, p99", unit: seconds}
	metricLateMax = metric{name: "flip to last call, max", unit: seconds}
	metricLate    = metric{name: "calls after the flip", unit: count}
	metricCalls   = metric{name: "calls a second", unit: count}
	metricFailed  = metric{name: "calls failed", unit: count, plain: true}
)

const (
	flipServers = 3
	flipCallers = 8
	callTimeout = 2 * time.Second
)

// flip measures how fast calls leave a server that reports NOT_SERVING by Watch,
// under load: three gRPC servers over TCP, and eight callers that each make one
// call after the other. The time runs from just before the change of the server's
// health status until the last call that arrives at the server; it is 0 if none
// arrives. A server counts as left when nothing has arrived for a whole window.
//
// A percentile is over the flips of one repetition; the median, the range and
// the ratios are over the repetitions.
func (b *bench) flip(ctx context.Context) error {
	policies := []policy{oursRise1, roundRobinHealth}
	s := section{
		id: "flip", title: "NOT_SERVING under load, until the last call arrives (smaller is better, in the ratios too)",
		policies: policies, baselines: []string{roundRobinHealth.label},
	}
	b.results.sections = append(b.results.sections, s)
	return b.interleave(ctx, "flip", policies, func(rep int, p policy) error {
		return b.flipUnderLoad(ctx, point{section: s.id, n: flipServers, policy: p.label}, rep, p)
	})
}

func (b *bench) flipUnderLoad(ctx context.Context, at point, rep int, p policy) (err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	servers, err := startEchoServers(ctx, flipServers)
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	if err != nil {
		return err
	}
	var list []string
	for _, s := range servers {
		list = append(list, s.address)
	}
	c, err := openChannel(p, list, nil)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	if _, err = c.progress.await(ctx, len(list), len(list)); err != nil {
		return err
	}
	load := startLoad(ctx, c.conn)
	start := time.Now()
	var lasts, lates []float64
	for range b.flips {
		last, late, err := flipServer(ctx, servers[b.rng.IntN(len(servers))], b.window)
		if err != nil {
			load.stop()
			return err
		}
		lasts, lates = append(lasts, last.Seconds()), append(lates, float64(late))
	}
	took := time.Since(start)
	load.stop()
	total := 0.0
	for _, n := range lates {
		total += n
	}
	b.results.addAll(at, rep, []value{
		{metricLateP50, stats.Percentile(lasts, 50)},
		{metricLateP99, stats.Percentile(lasts, 99)},
		{metricLateMax, stats.Percentile(lasts, 100)},
		{metricLate, total / float64(len(lates))},
		{metricCalls, float64(load.calls.Load()) / took.Seconds()},
		{metricFailed, float64(load.failed.Load())},
	})
	return nil
}

// warmCalls is how many calls a server must have received since its return before
// it is flipped again.
const warmCalls = 10

// flipServer flips one server under load, and back. It returns how long after the
// flip the last call arrived, and how many calls arrived after it.
func flipServer(ctx context.Context, s *echoServer, window time.Duration) (last time.Duration, late int64, err error) {
	for had := s.calls.Load(); s.calls.Load() < had+warmCalls; {
		if err = sleep.Context(ctx, time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("a server that serves got no calls: %w", err)
		}
	}
	before, start := s.calls.Load(), time.Since(s.epoch)
	s.health.SetServingStatus("", notServing)
	for quiet := start; ; {
		if err = sleep.Context(ctx, quiet+window-time.Since(s.epoch)); err != nil {
			return 0, 0, fmt.Errorf("a server that does not serve still receives calls: %w", err)
		}
		if latest := time.Duration(s.last.Load()); latest > quiet {
			quiet = latest
			continue
		}
		last = quiet - start
		break
	}
	late = s.calls.Load() - before
	s.health.SetServingStatus("", serving)
	return last, late, nil
}

// load is a set of running callers.
type load struct {
	calls, failed atomic.Int64
	cancel        context.CancelFunc
	wg            sync.WaitGroup
}

func startLoad(ctx context.Context, conn *grpc.ClientConn) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	for range flipCallers {
		l.wg.Go(func() {
			answer := new(emptypb.Empty)
			for ctx.Err() == nil {
				callCtx, done := context.WithTimeout(ctx, callTimeout)
				err := conn.Invoke(callCtx, callMethod, new(emptypb.Empty), answer)
				done()
				if ctx.Err() != nil {
					return
				}
				l.calls.Add(1)
				if err != nil {
					l.failed.Add(1)
				}
			}
		})
	}
	return l
}

func (l *load) stop() {
	l.cancel()
	l.wg.Wait()
}

// echoServer is a gRPC server over TCP that records when calls arrive.
type echoServer struct {
	address string
	server  *grpc.Server
	health  *health.Server
	ended   chan struct{}

	epoch time.Time
	calls atomic.Int64
	last  atomic.Int64 // when the newest call arrived, in nanoseconds after epoch
}

// startEchoServers starts n servers. With an error it returns those that it has
// started before.
func startEchoServers(ctx context.Context, n int) ([]*echoServer, error) {
	var servers []*echoServer
	for range n {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return servers, err
		}
		s := &echoServer{
			address: listener.Addr().String(), server: grpc.NewServer(), health: health.NewServer(),
			ended: make(chan struct{}), epoch: time.Now(),
		}
		healthpb.RegisterHealthServer(s.server, s.health)
		s.server.RegisterService(&echoService, s)
		go func() {
			defer close(s.ended)
			_ = s.server.Serve(listener) // ends with stop
		}()
		servers = append(servers, s)
	}
	return servers, nil
}

func (s *echoServer) stop() {
	s.server.Stop()
	<-s.ended
}

// arrived records a call. Handlers run concurrently, so the newest time wins.
func (s *echoServer) arrived() {
	now := int64(time.Since(s.epoch))
	for old := s.last.Load(); now > old && !s.last.CompareAndSwap(old, now); old = s.last.Load() {
	}
	s.calls.Add(1)
}

// echoService is callMethod.
var echoService = grpc.ServiceDesc{
	ServiceName: "cantonlb.bench.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Call",
		Handler: func(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			s, ok := srv.(*echoServer)
			if !ok {
				return nil, errors.New("not the server of this service")
			}
			s.arrived()
			in := new(emptypb.Empty)
			return in, decode(in)
		},
	}},
}
