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

	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/report"
)

// Prober makes one attempt to determine an endpoint's health. Probe should return
// when ctx ends, with Inconclusive if ctx was canceled. One that does not is left
// alone, and no other one is made until it returns.
type Prober interface {
	Probe(ctx context.Context) report.Verdict
	// Kind returns the kind of the probe.
	Kind() report.ProbeKind
}

// Watcher receives the changes of an endpoint's health. Watch calls push for every
// verdict that arrives, one at a time, and returns when ctx ends or the watch
// breaks, with a verdict that says why it ended.
type Watcher interface {
	Watch(ctx context.Context, push func(report.Verdict)) report.Verdict
}

// Probes determine the health of one endpoint.
type Probes struct {
	// Check runs at intervals. It detects an endpoint that hangs. Required.
	Check Prober
	// Watch, if not nil, reports changes as they happen.
	Watch Watcher
	// Fallback, if not nil, probes on a connection of its own. It runs after a Check
	// that got no stream (report.ReasonNoStream), and its verdict decides. If the Check
	// shares its connection with calls, see Line, the Fallback also runs after a Check
	// that timed out while the connection was in use, and its verdict speaks for the
	// server alone: another machine may have answered.
	Fallback Prober
	// Line, if not nil, is the connection that the Check shares with calls.
	Line Line
}

// Line is what is known of a connection that a Check shares with calls.
type Line interface {
	// Answers returns how many answers calls on the connection have received so far.
	// While a Watch is alive, growth replaces a Check.
	Answers() uint64
	// Mark notes the present state. The function that it returns reports whether a
	// Check that began then and was not answered since may have had to wait: answers
	// to calls were received, or requests that were sent before were still on their
	// way.
	Mark() (inUse func() bool)
	// Stuck is called if no Check has been answered for StuckAfter although the server
	// answers on another connection: this one is in use (report.ReasonBusy), or has no
	// stream left for a Check (report.ReasonNoStream).
	Stuck(why report.Reason)
}

// StuckAfter is how long a Check may be unanswered on a connection that is in use.
const StuckAfter = 10 * time.Second

// Close closes the probes that own a resource, such as a connection. They must no
// longer be in use.
func (p Probes) Close() error {
	var errs []error
	for _, x := range []any{p.Check, p.Watch, p.Fallback} {
		if c, ok := x.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Settings say when to probe, and how much evidence a change of health requires.
// All must be set: there are no defaults here.
type Settings struct {
	Thresholds

	// Interval is the time from one Check to the next. SuspectInterval replaces it
	// while a change of state is being decided. Jitter is the fraction by which each
	// is shortened or lengthened at random, 0 to 1.
	Interval, SuspectInterval time.Duration
	Jitter                    float64
	// Timeout is the deadline of a Check. With 0 it is derived from the round trips,
	// see RTT.
	Timeout time.Duration
	// Idle, if not 0, replaces Interval while the endpoint is healthy.
	Idle time.Duration
	// NoWatch turns off the Watch.
	NoWatch bool
}

// Options holds the settings of a Checker that have defaults.
type Options struct {
	// Budget is shared by all probes of one client. Nil means no limit.
	Budget *Budget
	// OnTransition is called for every change of State, or of its Reason or Detail,
	// except those of Take, in order and one at a time. It is called without the
	// Checker's lock.
	OnTransition func(Transition)
	// OnVerdict, if not nil, is called for every verdict, including pushed ones,
	// after it has been applied. It receives the kind of the probe and how long the
	// endpoint took to answer, which is 0 if the verdict was pushed or there was no
	// answer. It may be called from several goroutines at once.
	OnVerdict func(report.ProbeKind, report.Verdict, time.Duration)
	// Rand returns numbers from 0 up to 1 for the jitter. Default rand.Float64.
	Rand func() float64
}

// Transition is a change of State with its number in the order of all transitions. From
// and To are equal if only the Reason or the Detail is another one.
type Transition struct {
	report.HealthTransition

	// Number counts the transitions of one Checker, from 1. A transition is outdated
	// if one with a greater number was taken before it is delivered.
	Number uint64
}

// Checker keeps the health of one endpoint. It runs the probes when they are due,
// applies the thresholds and reports the transitions. All methods are safe for
// concurrent use.
type Checker struct {
	name     string
	settings Settings
	opts     Options
	wake     chan struct{} // capacity 1: due has changed
	running  chan struct{} // capacity 1: held by the current Run
	made     time.Time     // when the Checker was made
	answered atomic.Int64  // when the endpoint last answered a probe, in ns since made; 0 means never
	left     guard.Left    // probes that have not returned in time

	// mu guards the fields below. No other lock is acquired while it is held.
	mu     sync.Mutex
	number uint64       // of the newest transition
	fifo   []Transition // to be delivered
	// delivering says that a goroutine is delivering transitions, and continues
	// until none is left.
	delivering bool

	health Health
	since  time.Time
	due    time.Time          // when the next Check is to start
	asked  bool               // the next Check is made even if calls are answered
	last   report.ProbeStatus // without what Status adds
	rtt    RTT
}

// New returns the Checker of the endpoint with this name. It does nothing until Run
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
		name: name, settings: settings, opts: opts, made: now,
		wake: make(chan struct{}, 1), running: make(chan struct{}, 1), since: now,
		health: Health{State: report.HealthUnknown}, last: report.ProbeStatus{On: true, Watch: report.WatchOff},
	}
}

// Status returns a snapshot. Its Probe.Target is empty, since the Checker does not
// know the probes' targets.
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

// Answered returns when the endpoint last answered a probe, whatever the answer
// was, or zero if it never has. The time has a monotonic reading. Answered acquires
// no lock.
func (c *Checker) Answered() time.Time {
	if ns := c.answered.Load(); ns != 0 {
		return c.made.Add(time.Duration(ns))
	}
	return time.Time{}
}

// Left names the probes that have not returned although their time is up. It is empty
// if there are none.
func (c *Checker) Left() string { return c.left.String() }

// Doubt makes a healthy endpoint suspect and probes it at once.
func (c *Checker) Doubt(r report.Reason) {
	c.apply(Event{Kind: EventDoubt, Reason: r}, report.KindNone)
}

// Take applies a doubt or a reset and returns the transition to the caller instead
// of delivering it. The caller can therefore decide and act in one step under its
// own lock. changed is false if there is no transition. t.Number is that of the
// newest transition in any case: transitions that are delivered later and have no
// greater number are outdated.
func (c *Checker) Take(e Event) (t Transition, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, changed = c.stepLocked(e, report.KindNone, pushed)
	t.Number = c.number
	return t, changed
}

// ProbeNow probes the endpoint at once instead of at the next interval, as far as
// the budget allows. It changes nothing else.
func (c *Checker) ProbeNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = true
	c.dueLocked(time.Now())
}

// Reset discards what was known, because the endpoint has a new connection or has
// lost its old one. An unhealthy endpoint stays unhealthy until Rise probes have
// passed.
func (c *Checker) Reset(r report.Reason) {
	c.apply(Event{Kind: EventReset, Reason: r}, report.KindNone)
}

// Report applies a verdict that does not come from Run.
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

// postLocked queues a transition for delivery, if changed.
func (c *Checker) postLocked(t Transition, changed bool) {
	if changed {
		c.fifo = append(c.fifo, t)
	}
}

// deliver delivers the queued transitions, unless another goroutine is doing so.
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

// applyIf is apply for a run. Once ctx has ended, the run's connection is gone and
// its late verdicts no longer count. The code that ends ctx calls Reset afterwards,
// so no verdict is applied after the Reset.
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

// pushed stands for the round trip of a pushed verdict.
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
	if next.State != before.State {
		c.since = now
	}
	return t, true
}

func (c *Checker) noteLocked(v report.Verdict, k report.ProbeKind, rtt time.Duration, now time.Time) {
	c.last.Kind, c.last.At, c.last.RoundTrip = k, now, max(0, rtt)
	c.last.Outcome, c.last.Reason, c.last.Detail = v.Outcome, v.Reason, v.Detail
	c.countLocked(k, v.Outcome)
	switch {
	case v.Outcome == report.Serving || v.Outcome == report.NotServing:
		c.last.Answered = now
		c.answered.Store(max(1, int64(now.Sub(c.made))))
		if rtt != pushed {
			c.rtt.Observe(rtt)
		}
	case v.Reason == report.ReasonProbeTimeout && c.health.State == report.Unhealthy:
		// Only now: the deadline must not grow while a hang is being detected, but it
		// must not exclude a server for ever whose path has become longer.
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
