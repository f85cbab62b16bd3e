package checking

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Prober makes one attempt to learn an endpoint's health. Probe must return when
// ctx ends, with Inconclusive if ctx was canceled.
type Prober interface {
	Probe(ctx context.Context) report.Verdict
	// Kind says what sort of probe this is.
	Kind() report.ProbeKind
}

// Watcher learns an endpoint's health by being told of its changes. Watch calls
// push for every verdict that arrives, one at a time, and returns when ctx ends or
// the watch breaks, with a verdict that says why.
type Watcher interface {
	Watch(ctx context.Context, push func(report.Verdict)) report.Verdict
}

// Probes are the ways in which one endpoint's health is learnt.
type Probes struct {
	// Check is made at intervals: it finds the endpoint that hangs. Required.
	Check Prober
	// Watch, if not nil, brings changes the moment they happen.
	Watch Watcher
	// Fallback, if not nil, is made in place of a Check that got no stream on a
	// busy connection (report.ReasonNoStream), and decides.
	Fallback Prober
}

// Close closes those of the probes that hold something of their own, such as a
// connection. They must not be in use any more.
func (p Probes) Close() error {
	var errs []error
	for _, x := range []any{p.Check, p.Watch, p.Fallback} {
		if c, ok := x.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Settings say when to probe, and how much evidence a change of health takes. All
// are set: there are no defaults here.
type Settings struct {
	Thresholds

	// Interval is the time from one Check to the next, and SuspectInterval the one
	// while a change of state is being decided. Jitter is the share by which each is
	// made shorter or longer at random, 0 to 1.
	Interval, SuspectInterval time.Duration
	Jitter                    float64
	// Timeout is the deadline of a Check; 0: it follows the round trips, see RTT.
	Timeout time.Duration
	// NoWatch: a Watch is not used.
	NoWatch bool
}

// Options are the parts of a Checker that have good defaults.
type Options struct {
	// Budget is shared by all probes of one client. Nil: no limit.
	Budget *Budget
	// OnTransition is told of every change of State but those of Take, in order and one
	// at a time. It is called without a lock of the Checker.
	OnTransition func(Transition)
	// OnVerdict is told of every verdict, pushed ones too, after it has been taken
	// in: of which kind it is and how long the endpoint took to answer, 0 if it was
	// pushed or did not answer. It may be called from several goroutines at once.
	// Nil: nobody is told.
	OnVerdict func(report.ProbeKind, report.Verdict, time.Duration)
	// Rand gives numbers from 0 up to 1 for the jitter. Default rand.Float64.
	Rand func() float64
}

// Transition is a change of State with its place in the order of all.
type Transition struct {
	report.HealthTransition

	// Number counts the transitions of one Checker, from 1. One that is delivered after
	// another with a greater number was taken has become history.
	Number uint64
}

// Checker keeps the health of one endpoint: it makes the probes when they are
// due, applies the thresholds and reports the transitions. All methods are safe
// for concurrent use.
type Checker struct {
	name     string
	settings Settings
	opts     Options
	wake     chan struct{} // capacity 1: due has changed
	running  chan struct{} // capacity 1: held by the Run under way
	answered atomic.Int64  // when the endpoint last answered a probe, in ns

	// mu guards what follows. No other lock is taken under it.
	mu     sync.Mutex
	number uint64       // of the newest transition
	fifo   []Transition // that are to be delivered
	// delivering: a goroutine delivers, and goes on until there is nothing left.
	delivering bool

	health Health
	since  time.Time
	due    time.Time          // when the next Check is to start
	last   report.ProbeStatus // without what Status adds
	rtt    RTT
}

// New makes the Checker of the endpoint with this name. It does nothing until Run
// is called.
func New(name string, settings Settings, opts Options) *Checker {
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
		name: name, settings: settings, opts: opts,
		wake: make(chan struct{}, 1), running: make(chan struct{}, 1), since: now,
		health: Health{State: report.HealthUnknown}, last: report.ProbeStatus{On: true, Watch: report.WatchOff},
	}
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

// Take takes in a doubt or a reset, and leaves the transition to its caller: it is not
// delivered. So what the caller decides under a lock of its own, and what follows from
// it, are one step. changed is false if there is no transition; its number is that of
// the newest one all the same, and all that are delivered later with no greater number
// have become history.
func (c *Checker) Take(e Event) (t Transition, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, changed = c.stepLocked(e, report.KindNone, pushed)
	t.Number = c.number
	return t, changed
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
	v = NewVerdict(v.Outcome, v.Reason, v.Detail)
	c.apply(Event{Kind: EventVerdict, Verdict: v}, k)
	c.opts.OnVerdict(k, v, 0)
}

func (c *Checker) apply(e Event, k report.ProbeKind) {
	c.mu.Lock()
	c.postLocked(c.stepLocked(e, k, pushed))
	c.mu.Unlock()
	c.deliver()
}

// postLocked has a transition delivered, if it is one.
func (c *Checker) postLocked(t Transition, changed bool) {
	if changed {
		c.fifo = append(c.fifo, t)
	}
}

// deliver delivers what there is, unless another goroutine does: that one goes on.
func (c *Checker) deliver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.delivering {
		return
	}
	c.delivering = true
	for len(c.fifo) > 0 {
		t := c.fifo[0]
		c.fifo = c.fifo[1:]
		c.mu.Unlock()
		c.opts.OnTransition(t)
		c.mu.Lock()
	}
	c.fifo, c.delivering = nil, false
}

// applyIf is apply for a run: once ctx has ended, the run's connection is gone
// and its late verdicts say nothing any more. Whoever ends ctx calls Reset
// afterwards, so no verdict can slip in behind the Reset.
func (c *Checker) applyIf(ctx context.Context, v report.Verdict, k report.ProbeKind, rtt time.Duration) {
	v = NewVerdict(v.Outcome, v.Reason, v.Detail)
	if !c.tryApply(ctx, v, k, rtt) {
		return
	}
	c.deliver()
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
	c.postLocked(c.stepLocked(Event{Kind: EventVerdict, Verdict: v}, k, rtt))
	return true
}

// pushed stands for the round trip of a verdict that nobody asked for.
const pushed time.Duration = -1

func (c *Checker) stepLocked(e Event, k report.ProbeKind, rtt time.Duration) (Transition, bool) {
	now := time.Now()
	if e.Kind == EventVerdict {
		c.noteLocked(e.Verdict, k, rtt, now)
	}
	before := c.health
	next, effects := before.Next(e, c.settings.Thresholds)
	c.health = next
	if effects.ProbeNow {
		c.dueLocked(now)
	} else if next.State != before.State || next.Passes != before.Passes {
		c.dueLocked(now.Add(c.settings.delay(next, c.opts.Rand())))
	}
	if !effects.Changed {
		return Transition{}, false
	}
	c.number++
	t := Transition{Number: c.number, HealthTransition: report.HealthTransition{
		Target: c.name, From: before.State, To: next.State, Reason: next.Reason, Detail: next.Detail,
		Kind: k, At: now, Held: now.Sub(c.since),
	}}
	c.since = now
	return t, true
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
	if c.settings.Timeout > 0 {
		return c.settings.Timeout
	}
	return c.rtt.Deadline()
}
