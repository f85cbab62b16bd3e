package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease/internal/machine"
	"github.com/cantonlb/cantonlb/lease/store"
	"github.com/cantonlb/cantonlb/report"
)

// ExitCodeStuck is the code with which Config.ExitWhenStuck ends the process.
const ExitCodeStuck = 70

const (
	keptEvents = 256
	// grace is how long Run waits, at its end, for requests whose answer no longer
	// matters.
	grace = 200 * time.Millisecond
)

// Work is the function that the holder of a lease runs. Its context ends when the
// lease is lost, with a cause that is ErrLost, or when the context of Run ends. It
// should then return soon. While it winds down after the context of Run has ended, the
// lease is still renewed.
type Work func(ctx context.Context, l Lease) error

// Run acquires a lease, runs work while it holds the lease, and tries again when it
// has lost the lease. It returns when work has returned while the lease was held, with
// the error of work, or when ctx has ended and work has returned. It releases the
// lease first. The error is that of ctx if ctx ended while work did not run, and one
// that names the field if cfg is invalid.
func Run(ctx context.Context, cfg Config, work Work) error {
	c, err := NewCandidate(cfg)
	if err != nil {
		return err
	}
	return c.Run(ctx, work)
}

// Candidate is a candidate for a lease. Create one with NewCandidate, instead of
// calling Run, to use its Status and its events. Its methods are safe for concurrent
// use.
type Candidate struct {
	cfg    Config
	params machine.Params
	events *event.Log[Event]
	status atomic.Pointer[Status] // without Held and Until, which term says
	term   atomic.Pointer[term]   // of the work that runs
	ran    atomic.Bool
	exit   func(code int)
	// control is what a Group wants of it.
	control chan machine.Event
	over    chan struct{} // closed when Run's loop has ended
}

// NewCandidate returns a candidate that does nothing before Run. The errors name the
// field of cfg, its value and what would be right.
func NewCandidate(cfg Config) (*Candidate, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Candidate{
		cfg: cfg, params: cfg.params(), events: event.NewLog[Event](keptEvents), exit: os.Exit,
		control: make(chan machine.Event), over: make(chan struct{}),
	}
	c.setHolder(c.params.Holder)
	return c, nil
}

// setHolder names the candidate, before Run.
func (c *Candidate) setHolder(holder string) {
	c.params.Holder = holder
	c.status.Store(&Status{Name: c.cfg.Name, Candidate: holder, State: StateIdle, Since: time.Now()})
}

// tellMachine passes what a Group wants to the state machine, while it runs.
func (c *Candidate) tellMachine(e machine.Event) {
	select {
	case c.control <- e:
	case <-c.over:
	}
}

// Run is the function Run with the candidate's Config. It may be called once.
func (c *Candidate) Run(ctx context.Context, work Work) error {
	if c.ran.Swap(true) {
		return errors.New("lease: Run was called before; a Candidate runs once")
	}
	r := &run{
		Candidate: c, work: work, parent: ctx, state: machine.New(c.params),
		answers: make(chan answer), watched: make(chan watched), returned: make(chan error),
	}
	var cancel, unwatch context.CancelFunc
	r.requests, cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.watching, unwatch = context.WithCancel(r.requests)
	defer cancel()
	reader := c.events.Reader()
	delivered := make(chan struct{})
	go func() { //nolint:contextcheck // events are delivered after ctx has ended, too
		defer close(delivered)
		c.deliver(reader)
	}()
	r.loop() //nolint:contextcheck // it has ctx in a field
	close(r.over)
	unwatch()
	// A request that is under way gets a moment to finish: cancelling it can cost the
	// store a connection or more.
	late := time.AfterFunc(grace, cancel)
	r.wg.Wait()
	late.Stop()
	c.events.Close()
	awaitDelivered(delivered) //nolint:contextcheck // it has a limit of its own
	return r.result
}

// deliveryLimit bounds how long Run waits for the last calls of the observer and of the
// logger, which are code of the program.
const deliveryLimit = time.Second

// awaitDelivered waits until the channel is closed, or for deliveryLimit. A goroutine that
// is still in code of the program ends when that code returns.
func awaitDelivered(delivered <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), deliveryLimit)
	defer cancel()
	sleep.Until(ctx, delivered)
}

// deliver passes the events to the logger and the observer, until there are no more.
func (c *Candidate) deliver(reader *event.Reader[Event]) {
	for {
		events, _, err := reader.Next(context.Background())
		if err != nil {
			return
		}
		for _, e := range events {
			logEvent(c.cfg.Logger, e)
			if c.cfg.Observe != nil {
				c.cfg.Observe(e)
			}
		}
	}
}

// run is one Run of a candidate. It owns the state machine and carries out its
// effects. Results from other goroutines arrive over channels; only loop receives from
// them.
type run struct {
	*Candidate

	work     Work
	parent   context.Context //nolint:containedctx // Run's own
	requests context.Context //nolint:containedctx // that of everything asked of the store
	watching context.Context //nolint:containedctx // that of the watch
	answers  chan answer
	watched  chan watched
	returned chan error
	wg       sync.WaitGroup // requests and the watch

	state   machine.State
	holding *workContext // of the work that runs
	result  error
	settled bool   // work has returned after the end of the parent's context: the result is its own
	detail  string // of the last error of the store
	number  uint64 // of the last event
	stuck   bool   // the work should have returned
}

// answer is the result of a request.
type answer struct {
	number uint64
	record store.Record
	err    error
}

// watched is a notification of the store: the record after a change, if the store has
// sent it, or why there are no more notifications, which may be known already.
type watched struct {
	record *store.Record
	err    error
	known  bool
}

func (r *run) loop() {
	if watcher, ok := r.cfg.Store.(store.Watcher); ok {
		r.wg.Go(func() { r.watch(watcher) })
	}
	stop := r.parent.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var e machine.Event
		select {
		case <-stop:
			stop, e.Kind = nil, machine.Stop
			if !r.settled {
				r.result = context.Cause(r.parent)
			}
		case a := <-r.answers:
			e = r.answered(a)
		case w := <-r.watched:
			e.Kind, e.Now = machine.Changed, w.record
			if w.err != nil {
				e.Kind = machine.WatchEnded
			}
			if w.err != nil && !w.known {
				r.append(Event{Kind: EventWatchEnded, Reason: report.ReasonLeaseStoreError, Detail: detail(w.err)})
			}
		case err := <-r.returned:
			e.Kind = machine.WorkReturned
			r.workReturned(err)
		case e = <-r.control:
		case <-timer.C:
		}
		e.At, e.Rand = r.cfg.Clock(), rand.Float64()
		next, effects := r.state.Next(e)
		r.state = next
		r.apply(effects)
		if effects.Finish {
			return
		}
		timer.Reset(effects.Wake - e.At)
	}
}

// answered applies an answer of the store.
func (r *run) answered(a answer) machine.Event {
	e := machine.Event{Kind: machine.Answered, Number: a.number, Record: a.record}
	switch {
	case a.err == nil:
	case errors.Is(a.err, store.ErrConflict):
		e.Outcome = machine.Conflict
		r.detail = detail(a.err) // it is reported if the store fails with it
	default:
		e.Outcome = machine.Failed
		r.detail = detail(a.err)
	}
	return e
}

// workReturned keeps the error of work, which Run returns unless the lease was lost.
func (r *run) workReturned(err error) {
	ended := errors.Is(context.Cause(r.holding), ErrLost) || errors.Is(context.Cause(r.holding), ErrYielded)
	if !ended || r.parent.Err() != nil {
		r.result, r.settled = err, r.parent.Err() != nil
	} else if err != nil && !errors.Is(err, context.Canceled) {
		r.detail = detail(err)
	}
}

// apply carries out the effects of the state machine.
func (r *run) apply(f machine.Effects) {
	if until, held := r.state.Until(); held && r.holding != nil {
		r.holding.lease.term.until.Store(int64(until))
	}
	if f.End != machine.WhyNone {
		switch f.End {
		case machine.WhyStopped:
			r.holding.cancel(context.Cause(r.parent))
		case machine.WhyYielded:
			r.holding.cancel(ErrYielded)
		default:
			r.holding.lease.term.end()
			r.holding.cancel(lost(reasons[f.End]))
		}
	}
	switch r.state.Phase() {
	case machine.Holding, machine.Draining, machine.Lost:
	default:
		r.end()
	}
	if f.Start {
		r.start()
	}
	if f.Request.Number != 0 {
		r.wg.Go(func() { r.ask(f.Request) })
	}
	for _, n := range f.News {
		r.news(n)
	}
	r.publish()
}

// start runs the work.
func (r *run) start() {
	own := r.state.Own()
	l := Lease{Name: r.cfg.Name, Holder: own.Holder, Token: own.Token, term: &term{clock: r.cfg.Clock}}
	until, _ := r.state.Until()
	l.term.until.Store(int64(until))
	r.term.Store(l.term)
	ctx := newWorkContext(r.parent, l)
	r.holding = ctx
	go func() {
		err := errors.New("lease: work ended by runtime.Goexit")
		defer func() { r.returned <- err }() // loop does not end before it has taken it
		err = r.work(ctx, l)
	}()
}

// end is the end of a term whose work has returned.
func (r *run) end() {
	if r.holding == nil {
		return
	}
	r.holding.lease.term.end()
	r.holding.cancel(nil)
	r.term.Store(nil)
	r.holding, r.stuck = nil, false
}

// lost returns the cause of the context of work whose lease was lost.
func lost(why report.Reason) error { return fmt.Errorf("%w: %s", ErrLost, why) }
