package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

var (
	metricWall       = metric{name: "wall time", unit: seconds}
	metricCPU        = metric{name: "processor time", unit: seconds}
	metricAllocated  = metric{name: "bytes allocated", unit: bytes}
	metricUpdates    = metric{name: "pickers published", unit: count}
	metricHeap       = metric{name: "live heap per endpoint", unit: bytes}
	metricGoroutines = metric{name: "goroutines per endpoint", unit: count}
)

// settleTimeout bounds the wait for all endpoints.
const settleTimeout = 3 * time.Minute

// scale measures the cost of many endpoints, in three sections.
//
// connect: a real channel whose servers only set up HTTP/2, in memory. The time
// from Connect until the publication of the first picker with all n connections is
// measured, together with the process's CPU time and allocated bytes. They include
// the client, the policy and the minimal server. The reference shows the cost with
// a policy that only connects.
//
// eligible: the same with a real gRPC server, in memory, whose health service
// reports SERVING, until every endpoint is eligible. All policies have the same
// server, and all their figures include its share.
//
// In both, once everything has settled, the heap that survives a collection and the
// goroutines are counted, less those from before, and divided by n. They include
// the server's ends of the connections.
//
// flip: see scaleFlip.
func (b *bench) scale(ctx context.Context) error {
	off := section{
		id: "connect", title: "probing off, until every SubConn is READY and picked (a ratio above 1: the line costs more)",
		policies: []policy{oursUnprobed, roundRobin, outlier, weighted, baseStyle, connectOnlyReference}, baselines: []string{oursUnprobed.label},
	}
	on := section{
		id: "eligible", title: "probing on, until every endpoint is eligible (a ratio above 1: the line costs more)",
		policies: []policy{ours, roundRobinHealth, outlierHealth, weightedHealth}, baselines: []string{ours.label},
	}
	flips := section{
		id: "flip", title: "one endpoint NOT_SERVING and SERVING again, connections faked (a ratio above 1: the line costs more)",
		policies: []policy{oursFlip, roundRobinHealth, outlierHealth, weightedHealth}, baselines: []string{oursFlip.label},
	}
	b.results.sections = append(b.results.sections, off, on, flips)

	server := startHealthServer()
	defer server.stop()
	for _, n := range b.scaleSizes {
		what := fmt.Sprintf("scale, n=%d, connect", n)
		err := b.interleave(ctx, what, off.policies, func(rep int, p policy) error {
			return b.settle(ctx, point{section: off.id, n: n, policy: p.label}, rep, p, dialSettings)
		})
		if err != nil {
			return err
		}
		what = fmt.Sprintf("scale, n=%d, eligible", n)
		err = b.interleave(ctx, what, on.policies, func(rep int, p policy) error {
			return b.settle(ctx, point{section: on.id, n: n, policy: p.label}, rep, p, server.dial)
		})
		if err != nil {
			return err
		}
		what = fmt.Sprintf("scale, n=%d, flip", n)
		err = b.interleave(ctx, what, flips.policies, func(rep int, p policy) error {
			return b.scaleFlip(ctx, point{section: flips.id, n: n, policy: p.label}, rep, p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settle measures one channel from its first attempt to connect until it picks
// among all endpoints.
func (b *bench) settle(ctx context.Context, at point, rep int, p policy, dial dialer) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	heap, goroutines := liveHeap(), runtime.NumGoroutine()
	defer b.calm(ctx, goroutines)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	c, err := openChannel(p, addresses(at.n), dial)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	settled, err := c.progress.await(ctx, at.n, at.n)
	if err != nil {
		return err
	}
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)

	n := float64(at.n)
	b.results.addAll(at, rep, []value{
		{metricWall, settled.at.Sub(start).Seconds()},
		{metricCPU, cpu.Seconds()},
		{metricAllocated, float64(after.TotalAlloc - before.TotalAlloc)},
		{metricUpdates, float64(settled.seq)},
		{metricHeap, (float64(liveHeap()) - float64(heap)) / n},
		{metricGoroutines, float64(runtime.NumGoroutine()-goroutines) / n},
	})
	return nil
}

// liveHeap returns the bytes that remain after garbage collection. It collects
// twice, because finalizers and pools release memory at the second collection.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// calm waits until the goroutines of a closed channel have ended, so that they do
// not disturb the next measurement; for a few seconds at most, because they are
// only a disturbance.
func (*bench) calm(ctx context.Context, goroutines int) {
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		if sleep.Context(ctx, time.Millisecond) != nil {
			return
		}
	}
}

// healthServer is a gRPC server in memory that reports SERVING.
type healthServer struct {
	listener *bufconn.Listener
	server   *grpc.Server
	health   *health.Server
	ended    chan struct{}
}

// pipeSize is the buffer size in each direction of a connection in memory, which is
// more than a health check and its answer need.
const pipeSize = 2 << 10

// startHealthServer starts a healthServer. Small buffers keep its share in the
// figures small.
func startHealthServer() *healthServer {
	s := &healthServer{
		listener: bufconn.Listen(pipeSize), health: health.NewServer(), ended: make(chan struct{}),
		server: grpc.NewServer(grpc.ReadBufferSize(0), grpc.WriteBufferSize(0)),
	}
	healthpb.RegisterHealthServer(s.server, s.health)
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(s.listener) // ends with stop
	}()
	return s
}

func (s *healthServer) dial(ctx context.Context, _ string) (net.Conn, error) {
	return s.listener.DialContext(ctx)
}

func (s *healthServer) stop() {
	s.server.Stop()
	<-s.ended
}
