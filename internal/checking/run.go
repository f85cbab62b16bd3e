package checking

import (
	"context"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/report"
)

// Run probes until ctx ends. answers returns how many answers other calls have
// received on the same connection so far. A Check that times out while this number
// grows is inconclusive. While a Watch is alive, growth replaces a Check. If
// answers is nil, there are no other calls. Run returns after everything that it
// started has ended; a second Run waits for the first to return.
func (c *Checker) Run(ctx context.Context, p Probes, answers func() uint64) {
	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
	case <-ctx.Done():
		return
	}
	r := &run{c: c, probes: p, answers: answers, first: make(chan struct{})}
	if r.answers == nil {
		r.answers = func() uint64 { return 0 }
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	if c.opts.Budget.AcquireFirst(ctx) != nil {
		return
	}
	defer c.setWatch(report.WatchOff)
	if p.Watch != nil && !c.settings.NoWatch {
		c.setWatch(report.WatchOpening)
		watching, yield := context.WithCancel(ctx)
		defer yield()
		r.yield = yield
		wg.Go(func() { r.watch(watching) })
		r.awaitFirst(ctx)
	} else {
		r.check(ctx)
	}
	c.opts.Budget.ReleaseFirst()
	r.loop(ctx)
}

func (c *Checker) setWatch(s report.WatchState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last.Watch = s
}

// setWatchIf is setWatch for the Watch of ctx. It does nothing once ctx has ended,
// since the code that ended it has set the state.
func (c *Checker) setWatchIf(ctx context.Context, s report.WatchState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() == nil {
		c.last.Watch = s
	}
}

// run probes one endpoint over one connection.
type run struct {
	c       *Checker
	probes  Probes
	answers func() uint64

	once  sync.Once
	first chan struct{} // closed when the Watch has pushed a verdict, or never will
	seen  uint64        // answers at the last Check; used by the loop alone
	yield func()        // ends the Watch, nil if there is none
}

// awaitFirst waits for the first verdict of the Watch, for at most the timeout of
// one probe. Without one, a Check follows.
func (r *run) awaitFirst(ctx context.Context) {
	r.c.mu.Lock()
	timeout := r.c.timeoutLocked()
	r.c.mu.Unlock()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-r.first:
		if r.c.watchIs(report.WatchAlive) {
			r.rearm()
			return
		}
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	r.check(ctx)
}

func (c *Checker) watchIs(s report.WatchState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Watch == s
}

// loop makes a Check whenever one is due.
func (r *run) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r.c.mu.Lock()
		timer.Reset(time.Until(r.c.due))
		r.c.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-r.c.wake:
		case <-timer.C:
			if r.standIn() {
				r.rearm()
				continue
			}
			if r.pay(ctx) {
				r.check(ctx)
			}
		}
	}
}

// standIn reports whether answers to other calls make this Check unnecessary: the
// endpoint is alive, and a change of its health would be pushed.
func (r *run) standIn() bool {
	now := r.answers()
	heard := now != r.seen
	r.seen = now
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	return heard && r.c.last.Watch == report.WatchAlive && r.c.health.State == report.Healthy
}

// pay waits until the budget allows one more Check, and reports whether ctx is
// still valid.
func (r *run) pay(ctx context.Context) bool {
	return sleep.For(ctx, r.c.opts.Budget.Reserve(time.Now()))
}

// rearm sets the next Check to the regular time from now.
func (r *run) rearm() {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = time.Now().Add(c.settings.delay(c.health, c.opts.Rand()))
}

// check makes one Check and applies its verdict.
func (r *run) check(ctx context.Context) {
	c := r.c
	c.mu.Lock()
	timeout := c.timeoutLocked()
	c.last.Checks++
	c.due = time.Time{} // while the Check runs, only a new event may set it
	c.mu.Unlock()

	r.seen = r.answers()
	v, kind, took := r.probe(ctx, r.probes.Check, timeout)
	if v.Reason == report.ReasonNoStream && r.yield != nil {
		r.yield()
		c.setWatch(report.WatchYielded)
	}
	if v.Reason == report.ReasonNoStream && r.probes.Fallback != nil {
		v, kind, took = r.probe(ctx, r.probes.Fallback, timeout)
	}
	if v.Reason == report.ReasonProbeTimeout && r.answers() != r.seen {
		v = NewVerdict(report.Inconclusive, report.ReasonBusy, v.Detail)
	}
	c.applyIf(ctx, v, kind, took)

	c.mu.Lock()
	c.dueLocked(time.Now().Add(c.settings.delay(c.health, c.opts.Rand())))
	c.mu.Unlock()
}

func (r *run) probe(ctx context.Context, p Prober, timeout time.Duration) (report.Verdict, report.ProbeKind, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	v := p.Probe(ctx)
	return v, p.Kind(), time.Since(start)
}
