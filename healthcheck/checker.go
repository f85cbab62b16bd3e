package healthcheck

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Probes are the ways in which one endpoint's health is learnt.
type Probes struct {
	// Check is made at intervals: it finds the endpoint that hangs. Required.
	Check Probe
	// Watch, if not nil, brings changes the moment they happen.
	Watch Watcher
	// Fallback, if not nil, is made in place of a Check that got no stream on a
	// busy connection (ReasonNoStream), and decides.
	Fallback Probe
}

// CheckerOptions are the parts of a Checker that have good defaults.
type CheckerOptions struct {
	// Budget is shared by all probes of one client. Nil: no limit.
	Budget *Budget
	// OnTransition is told of every change of State, in order, while the Checker
	// is locked: it must be quick and must not call the Checker.
	OnTransition func(Transition)
	// OnVerdict is told of every verdict, pushed ones too, after it has been taken
	// in: of which kind it is and how long the endpoint took to answer, 0 if it was
	// pushed or did not answer. It may be called from several goroutines at once.
	// Nil: nobody is told.
	OnVerdict func(report.ProbeKind, report.Verdict, time.Duration)
	// Rand gives numbers from 0 up to 1 for the jitter. Default rand.Float64.
	Rand func() float64
}

// Checker keeps the health of one endpoint: it makes the probes when they are
// due, applies the thresholds and reports the transitions. All methods are safe
// for concurrent use.
type Checker struct {
	name     string
	cfg      Config
	schedule schedule
	opts     CheckerOptions
	wake     chan struct{} // capacity 1: due has changed
	running  chan struct{} // capacity 1: held by the Run under way
	answered atomic.Int64  // when the endpoint last answered a probe, in ns

	// mu guards what follows. It is held while OnTransition runs, so it comes
	// before any lock which that takes.
	mu     sync.Mutex
	health Health
	since  time.Time
	due    time.Time          // when the next Check is to start
	last   report.ProbeStatus // without what Status adds
	rtt    RTT
}

// NewChecker makes the Checker of the endpoint with this name. It does nothing
// until Run is called. cfg is completed by WithDefaults; a bad one is an error.
func NewChecker(name string, cfg Config, opts CheckerOptions) (*Checker, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	if opts.Rand == nil {
		opts.Rand = rand.Float64
	}
	if opts.OnTransition == nil {
		opts.OnTransition = func(Transition) {}
	}
	if opts.OnVerdict == nil {
		opts.OnVerdict = func(report.ProbeKind, report.Verdict, time.Duration) {}
	}
	now := time.Now()
	return &Checker{
		name: name, cfg: cfg, schedule: newSchedule(cfg), opts: opts,
		wake: make(chan struct{}, 1), running: make(chan struct{}, 1), since: now,
		health: Health{State: report.HealthUnknown}, last: report.ProbeStatus{On: true, Watch: report.WatchOff},
	}, nil
}

// Status returns a snapshot. Its Probe.Target is empty: the Checker does not know
// the probes.
func (c *Checker) Status() report.HealthStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	probe := c.last
	probe.Verdicts = slices.Clone(probe.Verdicts)
	probe.Timeout = c.timeoutLocked()
	return report.HealthStatus{
		Health: c.health.State, Reason: c.health.Reason, Detail: c.health.Detail, Since: c.since, Probe: probe,
	}
}

// Answered is when the endpoint last answered a probe, whatever it said; zero if
// it never has. It takes no lock.
func (c *Checker) Answered() time.Time {
	if ns := c.answered.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Doubt makes a healthy endpoint suspect, and has it probed at once.
func (c *Checker) Doubt(r report.Reason) {
	c.apply(Event{Kind: EventDoubt, Reason: r}, report.KindNone)
}

// ProbeNow has the endpoint probed at once rather than at the next interval, as
// far as the budget allows. It changes nothing else.
func (c *Checker) ProbeNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dueLocked(time.Now())
}

// Reset forgets what was known, because the endpoint has a new connection or
// has lost its old one. An unhealthy endpoint stays so until it has risen.
func (c *Checker) Reset(r report.Reason) {
	c.apply(Event{Kind: EventReset, Reason: r}, report.KindNone)
}

// Report takes in a verdict that was learnt in another way than by Run.
func (c *Checker) Report(k report.ProbeKind, v report.Verdict) {
	v.Outcome = v.Outcome.Bounded()
	c.apply(Event{Kind: EventVerdict, Verdict: v}, k)
	c.opts.OnVerdict(k, v, 0)
}

func (c *Checker) apply(e Event, k report.ProbeKind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applyLocked(e, k, pushed)
}

// applyIf is apply for a run: once ctx has ended, the run's connection is gone
// and its late verdicts say nothing any more. Whoever ends ctx calls Reset
// afterwards, so no verdict can slip in behind the Reset.
func (c *Checker) applyIf(ctx context.Context, v report.Verdict, k report.ProbeKind, rtt time.Duration) {
	v.Outcome = v.Outcome.Bounded()
	if !c.tryApply(ctx, v, k, rtt) {
		return
	}
	if rtt == pushed || v.Outcome != report.Serving && v.Outcome != report.NotServing {
		rtt = 0
	}
	c.opts.OnVerdict(k, v, rtt)
}

func (c *Checker) tryApply(ctx context.Context, v report.Verdict, k report.ProbeKind, rtt time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	c.applyLocked(Event{Kind: EventVerdict, Verdict: v}, k, rtt)
	return true
}

// pushed stands for the round trip of a verdict that nobody asked for.
const pushed time.Duration = -1

func (c *Checker) applyLocked(e Event, k report.ProbeKind, rtt time.Duration) {
	now := time.Now()
	if e.Kind == EventVerdict {
		c.noteLocked(e.Verdict, k, rtt, now)
	}
	before := c.health
	next, effects := before.Next(e, c.cfg.Thresholds())
	c.health = next
	if effects.ProbeNow {
		c.dueLocked(now)
	} else if next.State != before.State || next.Passes != before.Passes {
		c.dueLocked(now.Add(c.schedule.delay(next, c.opts.Rand())))
	}
	if effects.Changed {
		t := Transition{
			Target: c.name, From: before.State, To: next.State, Reason: next.Reason, Detail: next.Detail,
			Kind: k, At: now, Held: now.Sub(c.since),
		}
		c.since = now
		c.opts.OnTransition(t)
	}
}

func (c *Checker) noteLocked(v report.Verdict, k report.ProbeKind, rtt time.Duration, now time.Time) {
	c.last.Kind, c.last.At, c.last.RoundTrip = k, now, max(0, rtt)
	c.last.Outcome, c.last.Reason, c.last.Detail = v.Outcome, v.Reason, v.Detail
	c.countLocked(k, v.Outcome)
	switch {
	case v.Outcome == report.Serving || v.Outcome == report.NotServing:
		c.last.Answered = now
		c.answered.Store(now.UnixNano())
		if rtt != pushed {
			c.rtt.Observe(rtt)
		}
	case v.Reason == report.ReasonProbeTimeout && c.health.State == report.Unhealthy:
		// Only now: the deadline must not grow while a hang is being found,
		// but it must not keep a server out for ever that moved far away.
		c.rtt.TimedOut()
	}
}

func (c *Checker) countLocked(k report.ProbeKind, o report.Outcome) {
	for i := range c.last.Verdicts {
		if c.last.Verdicts[i].Kind == k && c.last.Verdicts[i].Outcome == o {
			c.last.Verdicts[i].Count++
			return
		}
	}
	c.last.Verdicts = append(c.last.Verdicts, report.VerdictCount{Kind: k, Outcome: o, Count: 1})
}

// dueLocked brings the next Check forward to t, if it is later than that.
func (c *Checker) dueLocked(t time.Time) {
	if !c.due.IsZero() && !t.Before(c.due) {
		return
	}
	c.due = t
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Checker) timeoutLocked() time.Duration {
	if c.cfg.Timeout > 0 {
		return c.cfg.Timeout
	}
	return c.rtt.Deadline()
}

// Run probes until ctx ends. answers tells how many answers other calls have
// had on the same connection so far: a Check that times out while it grows is
// inconclusive, and while a Watch is alive it stands in for a Check. Nil: there
// are no other calls. Run returns after everything that it started has ended; a
// second Run waits for the first to return.
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
	if p.Watch != nil && !c.cfg.NoWatch {
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

// setWatchIf is setWatch for the Watch of ctx: once that has ended, whoever ended
// it has said what there is to say.
func (c *Checker) setWatchIf(ctx context.Context, s report.WatchState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() == nil {
		c.last.Watch = s
	}
}

// run is the probing of one endpoint over one connection.
type run struct {
	c       *Checker
	probes  Probes
	answers func() uint64

	once  sync.Once
	first chan struct{} // closed when the Watch has said something, or never will
	seen  uint64        // answers at the last Check; used by the loop alone
	yield func()        // ends the Watch, nil if there is none
}

// awaitFirst gives the Watch the time of one probe to bring the first verdict;
// if it does not, a Check has to.
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

// standIn tells whether answers to other calls make this Check needless: the
// endpoint is alive, and a change of its health would be pushed.
func (r *run) standIn() bool {
	now := r.answers()
	heard := now != r.seen
	r.seen = now
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	return heard && r.c.last.Watch == report.WatchAlive && r.c.health.State == report.Healthy
}

// pay waits until the budget allows one more Check, and tells whether ctx still
// lives.
func (r *run) pay(ctx context.Context) bool {
	return sleep(ctx, r.c.opts.Budget.Reserve(time.Now()))
}

// rearm sets the next Check to the regular time from now.
func (r *run) rearm() {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = time.Now().Add(c.schedule.delay(c.health, c.opts.Rand()))
}

// check makes one Check and takes in its verdict.
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
	c.dueLocked(time.Now().Add(c.schedule.delay(c.health, c.opts.Rand())))
	c.mu.Unlock()
}

func (r *run) probe(ctx context.Context, p Probe, timeout time.Duration) (report.Verdict, report.ProbeKind, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	v := p.Probe(ctx)
	return v, p.Kind(), time.Since(start)
}

// sleep waits for d and tells whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
