package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// progress follows what a policy publishes. It is safe for concurrent use.
type progress struct {
	ready atomic.Int64  // times that a SubConn has become READY
	news  chan struct{} // capacity 1: latest has changed

	mu     sync.Mutex
	latest publication
}

// publication is one call of UpdateState.
type publication struct {
	state balancer.State
	at    time.Time
	seq   int // counts from 1
}

func newProgress() *progress { return &progress{news: make(chan struct{}, 1)} }

func (p *progress) publish(s balancer.State) {
	p.mu.Lock()
	p.latest = publication{state: s, at: time.Now(), seq: p.latest.seq + 1}
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *progress) last() publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

const (
	// checkShare is the ratio of await's pause before the next check to the duration
	// of the last one, so that checks cost little.
	checkShare = 10
	// recheck is how long await waits at most for a new publication.
	recheck = 5 * time.Millisecond
)

// await waits until all n SubConns have become READY, and a picker published since
// then picks want different ones of them. The returned publication says when that
// was. A policy can publish while the waiting goroutine still checks an older
// picker, so the time can be late by the duration of such a check, which is a few
// hundredths of the time to connect.
//
// One check makes 2n picks, which is enough for a policy that picks in turn. For
// other policies, earlier picks count at the next check.
func (p *progress) await(ctx context.Context, n, want int) (publication, error) {
	seen := make(map[balancer.SubConn]struct{}, n)
	timer := time.NewTimer(recheck)
	defer timer.Stop()
	for seq := 0; ; {
		latest := p.last()
		if p.ready.Load() >= int64(n) && latest.state.ConnectivityState == connectivity.Ready {
			if latest.seq != seq {
				seq = latest.seq
				clear(seen)
			}
			start := time.Now()
			if look(latest.state.Picker, n, seen); len(seen) == want {
				return latest, nil
			}
			if err := sleep.Context(ctx, checkShare*time.Since(start)); err != nil {
				return publication{}, p.late(err, n, want)
			}
			if p.last().seq != latest.seq {
				continue
			}
		}
		timer.Reset(recheck)
		select {
		case <-p.news:
		case <-timer.C:
		case <-ctx.Done():
			return publication{}, p.late(ctx.Err(), n, want)
		}
	}
}

func (p *progress) late(err error, n, want int) error {
	latest := p.last()
	seen := make(map[balancer.SubConn]struct{})
	if latest.state.Picker != nil {
		look(latest.state.Picker, n, seen)
	}
	return fmt.Errorf("of %d endpoints %d became READY and %d are picked, want %d: %w", n, p.ready.Load(), len(seen), want, err)
}

// after waits for a publication newer than seq.
func (p *progress) after(ctx context.Context, seq int) (publication, error) {
	for {
		if latest := p.last(); latest.seq > seq {
			return latest, nil
		}
		select {
		case <-p.news:
		case <-ctx.Done():
			return publication{}, fmt.Errorf("no publication after number %d: %w", seq, ctx.Err())
		}
	}
}

// callMethod is the method that the calls in all suites name.
const callMethod = "/cantonlb.bench.Echo/Call"

// look adds the results of up to 2n picks to seen, and stops when there are n.
func look(p balancer.Picker, n int, seen map[balancer.SubConn]struct{}) {
	info := balancer.PickInfo{FullMethodName: callMethod, Ctx: context.Background()}
	for range 2 * n {
		result, err := p.Pick(info)
		if err != nil {
			return
		}
		if result.Done != nil {
			result.Done(balancer.DoneInfo{})
		}
		if seen[result.SubConn] = struct{}{}; len(seen) == n {
			return
		}
	}
}

// observerName is a policy that passes everything on to its one child, and reports
// what it sees to the channel's progress, which is passed in the resolver's state.
const observerName = "bench_observer"

func init() { balancer.Register(observerBuilder{}) } //nolint:gochecknoinits // as grpc asks of a policy

type observerBuilder struct{}

func (observerBuilder) Name() string { return observerName }

func (observerBuilder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	return &observer{cc: cc, opts: opts}
}

type observerConfig struct {
	serviceconfig.LoadBalancingConfig

	child  balancer.Builder
	config serviceconfig.LoadBalancingConfig
}

// ParseConfig reads {"child": [{"the child's name": {its config}}]}.
func (observerBuilder) ParseConfig(data json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	var raw struct {
		Child []map[string]json.RawMessage `json:"child"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	if len(raw.Child) != 1 || len(raw.Child[0]) != 1 {
		return nil, fmt.Errorf("%s: child: want a list of one object with one key, the name of a policy", observerName)
	}
	c := new(observerConfig)
	for name, config := range raw.Child[0] {
		var err error
		if c.child, c.config, err = lookUp(name, config); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// lookUp returns a policy's builder and its parsed config.
func lookUp(name string, config json.RawMessage) (balancer.Builder, serviceconfig.LoadBalancingConfig, error) {
	builder := balancer.Get(name)
	if builder == nil {
		return nil, nil, fmt.Errorf("policy %q: not registered", name)
	}
	parser, ok := builder.(balancer.ConfigParser)
	if !ok {
		return builder, nil, nil
	}
	parsed, err := parser.ParseConfig(config)
	return builder, parsed, err
}

type progressKey struct{}

// withProgress makes the observer of the channel with this state report to p.
func withProgress(s resolver.State, p *progress) resolver.State {
	s.Attributes = attributes.New(progressKey{}, p)
	return s
}

type observer struct {
	cc    balancer.ClientConn
	opts  balancer.BuildOptions
	child balancer.Balancer // nil until the first state
}

func (o *observer) UpdateClientConnState(s balancer.ClientConnState) error {
	config, ok := s.BalancerConfig.(*observerConfig)
	p, _ := s.ResolverState.Attributes.Value(progressKey{}).(*progress)
	if !ok || p == nil {
		return fmt.Errorf("%s: no config, or no progress to tell", observerName)
	}
	if o.child == nil {
		o.child = config.child.Build(&observedConn{ClientConn: o.cc, progress: p}, o.opts)
	}
	s.BalancerConfig = config.config
	return o.child.UpdateClientConnState(s)
}

func (o *observer) ResolverError(err error) {
	if o.child != nil {
		o.child.ResolverError(err)
	}
}

func (*observer) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

func (o *observer) ExitIdle() {
	if o.child != nil {
		o.child.ExitIdle()
	}
}

func (o *observer) Close() {
	if o.child != nil {
		o.child.Close()
	}
}

// observedConn is the channel as the child sees it.
type observedConn struct {
	balancer.ClientConn

	progress *progress
}

func (c *observedConn) NewSubConn(addrs []resolver.Address, opts balancer.NewSubConnOptions) (balancer.SubConn, error) {
	listener := opts.StateListener
	opts.StateListener = func(s balancer.SubConnState) {
		if s.ConnectivityState == connectivity.Ready {
			c.progress.ready.Add(1)
		}
		listener(s)
	}
	//lint:ignore SA1019 the function stays; what goes is more than one address for a SubConn
	return c.ClientConn.NewSubConn(addrs, opts) //nolint:staticcheck // deprecated are several addresses
}

// UpdateState takes the time first, since grpc's handling of a state is not part of
// the policy.
func (c *observedConn) UpdateState(s balancer.State) {
	c.progress.publish(s)
	c.ClientConn.UpdateState(s)
}
