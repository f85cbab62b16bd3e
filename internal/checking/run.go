package checking

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/report"
)

// Run probes until ctx ends. It returns after everything that it started has ended,
// except probes that ignore their context, which Left names; a second Run waits for
// the first to return.
func (c *Checker) Run(ctx context.Context, p Probes) {
	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
	case <-ctx.Done():
		return
	}
	r := &run{c: c, probes: p, line: p.Line, first: make(chan struct{})}
	if r.line == nil {
		r.line = noCalls{}
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
	c      *Checker
	probes Probes
	line   Line

	once  sync.Once
	first chan struct{} // closed when the Watch has pushed a verdict, or never will
	yield func()        // ends the Watch, nil if there is none

	// Used by the loop alone.
	seen     uint64        // answers at the last Check
	stuckFor report.Reason // why the last Check was not answered although the server may be well; otherwise none
	stuck    time.Time     // when the first Check in a row was made that was not answered for this reason
	patience time.Duration // the least deadline, since this process was late
}

// noCalls is the Line of a Check that shares its connection with no calls.
type noCalls struct{}

func (noCalls) Answers() uint64     { return 0 }
func (noCalls) Mark() func() bool   { return func() bool { return false } }
func (noCalls) Stuck(report.Reason) {}

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
	now := r.line.Answers()
	heard := now != r.seen
	r.seen = now
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	return heard && !r.c.asked && r.c.last.Watch == report.WatchAlive && r.c.health.State == report.Healthy
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
	timeout = max(timeout, min(r.patience, mostPatience*timeout))
	c.last.Checks++
	c.due, c.asked = time.Time{}, false // while the Check runs, only a new event may set due
	c.mu.Unlock()

	r.seen = r.line.Answers()
	began, inUse := time.Now(), r.line.Mark()
	late := observe(timeout / ticks)
	a := r.probe(ctx, r.probes.Check, timeout)
	if a.Reason == report.ReasonNoStream && r.yield != nil {
		r.yield()
		r.yield = nil
		c.setWatch(report.WatchYielded)
		a = r.probe(ctx, r.probes.Check, timeout) // its stream is free
	}
	times := 1
	switch mayWait := a.Reason == report.ReasonNoStream || a.Reason == report.ReasonProbeTimeout && inUse(); {
	case a.Reason == report.ReasonNoStream && r.probes.Line == nil && r.probes.Fallback != nil:
		a = r.probe(ctx, r.probes.Fallback, timeout)
	case mayWait && r.probes.Line != nil:
		a, times = r.confirm(ctx, a, timeout)
	}
	a = r.unlessLate(a, late.stop(), timeout)
	for range times {
		c.applyIf(ctx, a.Verdict, a.kind, a.took)
	}
	r.notice(a, began)

	c.mu.Lock()
	c.dueLocked(time.Now().Add(c.settings.delay(c.health, c.opts.Rand())))
	c.mu.Unlock()
}

// unlessLate returns a, or that nothing is known if there was no answer while this
// process was much too late. The next Check may then take so long that it would not
// be.
func (r *run) unlessLate(a answer, late, timeout time.Duration) answer {
	switch {
	case a.answered():
		r.patience = 0
	case late > timeout/mostLate && (a.Reason == report.ReasonProbeTimeout || a.Reason == report.ReasonNoStream):
		r.patience = (mostLate + 1) * late
		a.Verdict = NewVerdict(report.Inconclusive, report.ReasonClientStalled, a.Detail)
	}
	return a
}

// notice notes whether the Check that began at this time was answered, and reports a
// line that is stuck.
func (r *run) notice(a answer, began time.Time) {
	switch {
	case a.Reason != report.ReasonBusy && a.Reason != report.ReasonNoStream:
		r.stuckFor = report.ReasonNone
	case r.stuckFor != a.Reason:
		r.stuckFor, r.stuck = a.Reason, began
	case time.Since(r.stuck) >= StuckAfter:
		r.stuckFor = report.ReasonNone
		r.line.Stuck(a.Reason)
	}
}

// answer is the verdict of a probe, and how long it took.
type answer struct {
	report.Verdict

	kind report.ProbeKind
	took time.Duration
}

func (a answer) answered() bool { return Answered(a.Verdict) }

// Answered reports whether a verdict means that the endpoint has answered the probe,
// whatever it said.
func Answered(v report.Verdict) bool {
	switch v.Reason {
	case report.ReasonProbeTimeout, report.ReasonNoStream, report.ReasonCanceled, report.ReasonConnectFailed, report.ReasonHandshakeFailed,
		report.ReasonConnectionLost, report.ReasonBusy, report.ReasonClientStalled, report.ReasonCredentialsFailed:
		return false
	default:
		return true
	}
}

// probe makes one probe. A probe that is not back soon after its deadline is left
// alone and counts as one that was not answered, as do all until it is back.
func (r *run) probe(ctx context.Context, p Prober, timeout time.Duration) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	v, err := guard.Await(ctx, &r.c.left, r.c.what("a probe"), 1, func() report.Verdict { return p.Probe(ctx) }, nil)
	if err != nil {
		v = unreturned(ctx, err)
	}
	a := answer{Verdict: NewVerdict(v.Outcome, v.Reason, cmp.Or(v.Detail, unanswered(v.Reason, timeout))), took: time.Since(start)}
	guard.Call(r.c.what("the kind of a probe"), func() { a.kind = p.Kind() })
	return a
}

// unanswered returns the detail of a probe that had no answer and says no more.
func unanswered(why report.Reason, timeout time.Duration) string {
	switch why {
	case report.ReasonProbeTimeout:
		return fmt.Sprintf("no answer within %v", timeout)
	case report.ReasonNoStream:
		return fmt.Sprintf("no stream for the probe within %v", timeout)
	default:
		return ""
	}
}

// what names probes of the endpoint among what has not returned.
func (c *Checker) what(probe string) string { return fmt.Sprintf("%s of %q", probe, c.name) }

// unreturned returns the verdict of a probe that has not returned, or has panicked.
func unreturned(ctx context.Context, err error) report.Verdict {
	var left *guard.LeftError
	switch {
	case errors.As(err, &left):
		return NewVerdict(report.Failed, report.ReasonProbeTimeout, "an earlier probe has not returned, such as from its credentials or its dialer")
	case errors.Is(err, guard.ErrPanicked):
		return NewVerdict(report.Failed, report.ReasonProbeError, "the probe has panicked")
	case errors.Is(ctx.Err(), context.Canceled):
		return NewVerdict(report.Inconclusive, report.ReasonCanceled, "")
	default:
		return NewVerdict(report.Failed, report.ReasonProbeTimeout, "the probe has not returned, such as from its credentials or its dialer")
	}
}
