package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

var (
	metricChecks    = metric{name: "Checks a second, all servers", unit: count}
	metricWatches   = metric{name: "Watches opened", unit: count}
	metricClientCPU = metric{name: "client's processor time in a second", unit: seconds}
	metricProbeLoad = metric{name: "calls a second", unit: count}
)

const (
	probeServers = 3
	// probeCallers is the number of callers that each make a call, wait for
	// probePause, and repeat.
	probeCallers = 8
	probePause   = 20 * time.Millisecond
	// quietStreams is how many streams are open on all servers together, on which
	// nothing arrives after the first message.
	quietStreams = 30
)

// probes measures the cost of health checking without faults, in four sections: an
// idle client, one with traffic, and one with quiet streams, each with three
// servers in a separate process over TCP; and an idle client of many endpoints with
// fake connections.
//
// The servers count the health RPCs that reach them. Processor time is that of this
// process, which includes the client and the callers, but no server; with many
// endpoints it includes the fakes. The line with health off shows how much of it is
// not caused by probes.
func (b *bench) probes(ctx context.Context) error {
	policies := []policy{ours, oursUnprobed, roundRobinHealth}
	cases := []struct {
		section section
		load    func(context.Context, *grpc.ClientConn) (*probeLoad, error)
	}{
		{section{id: "idle", title: "no calls"}, startNothing},
		{section{id: "traffic", title: fmt.Sprintf("%d callers with a pause of %v", probeCallers, probePause)}, startTraffic},
		{section{id: "streams", title: fmt.Sprintf("%d quiet streams", quietStreams)}, startStreams},
	}
	for i := range cases {
		cases[i].section.policies = policies
		b.results.sections = append(b.results.sections, cases[i].section)
	}
	many := section{id: "many", title: "no calls, connections faked", policies: policies}
	b.results.sections = append(b.results.sections, many)

	for _, c := range cases {
		err := b.interleave(ctx, "probes, "+c.section.id, policies, func(rep int, p policy) error {
			return b.probesOver(ctx, point{section: c.section.id, n: probeServers, policy: p.label}, rep, p, c.load)
		})
		if err != nil {
			return err
		}
	}
	for _, n := range b.probesMany {
		err := b.interleave(ctx, fmt.Sprintf("probes, many, n=%d", n), policies, func(rep int, p policy) error {
			return b.probesFaked(ctx, point{section: many.id, n: n, policy: p.label}, rep, p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// probesOver measures one channel to real servers.
func (b *bench) probesOver(ctx context.Context, at point, rep int, p policy,
	start func(context.Context, *grpc.ClientConn) (*probeLoad, error),
) (err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	servers, err := startCountingServers(ctx, at.n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.stop()) }()
	c, err := openChannel(p, servers.addresses, nil)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	if _, err = c.progress.await(ctx, at.n, at.n); err != nil {
		return err
	}
	load, err := start(ctx, c.conn)
	if err != nil {
		return err
	}
	defer load.stop()
	if err = sleep.Context(ctx, b.probesAfter); err != nil {
		return err
	}
	before, err := servers.count(ctx)
	if err != nil {
		return err
	}
	cpu, begin := cpuTime(), time.Now()
	if err = sleep.Context(ctx, b.probesFor); err != nil {
		return err
	}
	cpu = cpuTime() - cpu
	took := time.Since(begin).Seconds()
	after, err := servers.count(ctx)
	if err != nil {
		return err
	}
	if err = load.err(); err != nil {
		return err
	}
	b.results.addAll(at, rep, []value{
		{metricChecks, float64(after.Checks-before.Checks) / took},
		{metricWatches, float64(after.Watches)},
		{metricClientCPU, cpu.Seconds() / took},
		{metricProbeLoad, float64(after.Calls-before.Calls) / took},
	})
	return nil
}

// probesFaked measures only a policy.
func (b *bench) probesFaked(ctx context.Context, at point, rep int, p policy) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	f, err := openFake(ctx, p, at.n)
	if err != nil {
		return err
	}
	defer f.close()
	if err = sleep.Context(ctx, b.probesAfter); err != nil {
		return err
	}
	count := func() (checks, watches uint64) {
		for _, s := range f.servers {
			checks, watches = checks+s.checks.Load(), watches+s.watches.Load()
		}
		return checks, watches
	}
	before, _ := count()
	cpu, begin := cpuTime(), time.Now()
	if err = sleep.Context(ctx, b.probesFor); err != nil {
		return err
	}
	cpu = cpuTime() - cpu
	took := time.Since(begin).Seconds()
	after, watches := count()
	b.results.addAll(at, rep, []value{
		{metricChecks, float64(after-before) / took},
		{metricWatches, float64(watches)},
		{metricClientCPU, cpu.Seconds() / took},
	})
	return nil
}

// probeLoad is the client's load besides probes.
type probeLoad struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	fail error // the first
}

func newProbeLoad(ctx context.Context) (context.Context, *probeLoad) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &probeLoad{cancel: cancel}
}

func (l *probeLoad) stop() {
	l.cancel()
	l.wg.Wait()
}

func (l *probeLoad) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.fail = err
	}
}

func (l *probeLoad) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fail
}

func startNothing(ctx context.Context, _ *grpc.ClientConn) (*probeLoad, error) {
	_, l := newProbeLoad(ctx)
	return l, nil
}

func startTraffic(ctx context.Context, conn *grpc.ClientConn) (*probeLoad, error) {
	ctx, l := newProbeLoad(ctx)
	for range probeCallers {
		l.wg.Go(func() {
			answer := new(emptypb.Empty)
			for sleep.Context(ctx, probePause) == nil {
				if err := conn.Invoke(ctx, callMethod, new(emptypb.Empty), answer); err != nil && ctx.Err() == nil {
					l.failed(err)
				}
			}
		})
	}
	return l, nil
}

// startStreams opens streams and waits until each has had its one message.
func startStreams(ctx context.Context, conn *grpc.ClientConn) (*probeLoad, error) {
	ctx, l := newProbeLoad(ctx)
	for range quietStreams {
		stream, err := conn.NewStream(ctx, &countingService.Streams[0], streamMethod)
		if err == nil {
			err = stream.CloseSend()
		}
		if err == nil {
			err = stream.RecvMsg(new(emptypb.Empty))
		}
		if err != nil {
			l.stop()
			return nil, fmt.Errorf("opening a stream: %w", err)
		}
		l.wg.Go(func() {
			if err := stream.RecvMsg(new(emptypb.Empty)); ctx.Err() == nil {
				l.failed(fmt.Errorf("a quiet stream has ended: %w", err))
			}
		})
	}
	return l, nil
}
