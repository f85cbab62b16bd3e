package jsonapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

const (
	machinePardon = machine.Pardon
	failOpen      = settings.FailOpen
	wait          = settings.Wait
	// defaultDrain is how long upgraded connections continue on an endpoint that has left
	// the list, where the policy has no such setting.
	defaultDrain = 5 * time.Second
	// maxExplained is how many endpoints an error names.
	maxExplained = 8
)

// pool keeps the endpoints: which there are, how each one is, and which may be picked.
type pool struct {
	cfg    settled
	creds  *transport.Credentials
	teller *telling.Teller
	tally  attempt.Tally
	probes *checking.Budget
	left   guard.Left    // calls of the observer that have not returned in time
	wanted selector.Bell // probe all endpoints now

	ctx    context.Context //nolint:containedctx // the pool's own life, which close ends
	cancel context.CancelFunc
	wg     sync.WaitGroup

	picks      atomic.Pointer[picks]
	turn       atomic.Uint64
	seeking    atomic.Bool  // no endpoint can be picked
	anyEjected atomic.Int64 // how many endpoints are ejected or on trial

	// mu guards what follows. No lock is acquired while it is held, but for leaves:
	// those of the flights, the teller and the checkers' ProbeNow. What must not run
	// under it is appended to after, and done by unlock.
	mu        sync.Mutex
	after     []func()
	list      []*endpoint
	leaving   []*endpoint // not in the list any more, and picked until its endpoints can be
	retired   []*endpoint // not picked any more, with requests in flight
	choice    *choice
	moves     map[*endpoint]*time.Timer
	none      time.Time // since when no endpoint is eligible
	totals    report.Totals
	lastID    int
	spilled   bool
	pardoning bool
	closed    bool
}

func newPool(cfg settled, creds *transport.Credentials, teller *telling.Teller) *pool {
	p := &pool{
		cfg: cfg, creds: creds, teller: teller, probes: checking.NewBudget(0, 0), wanted: selector.NewBell(),
		moves: make(map[*endpoint]*time.Timer),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.choice = newChoice(p)
	return p
}

// unlock releases mu, and does what must not be done under it.
func (p *pool) unlock() {
	after := p.after
	p.after = nil
	p.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// allLocked returns the endpoints that may be picked, those of the list first.
func (p *pool) allLocked() []*endpoint { return slices.Concat(p.list, p.leaving) }

func (p *pool) emitLocked(e report.Event) {
	if p.closed {
		return
	}
	switch e.To {
	case report.NoneEligible:
		p.totals.NoneEligible++
	case report.SomeEligible:
		p.totals.NoneEligibleTime += e.Held
	case report.ListAccepted:
		p.totals.ListsAccepted++
	case report.ListRefused:
		p.totals.ListsRefused++
	default: // no total counts the others
	}
	p.teller.Event(e)
}

// noneLocked notes whether no endpoint can be picked.
func (p *pool) noneLocked(none bool) {
	now := time.Now()
	switch {
	case none && p.none.IsZero() && !p.closed:
		p.none = now
		p.emitLocked(report.Event{
			Kind: report.EventNoneEligible, From: report.SomeEligible, To: report.NoneEligible, At: now,
			Detail: cleantext.Detail(p.explainLocked().Reasons()),
		})
	case !none && !p.none.IsZero():
		held := now.Sub(p.none)
		p.none = time.Time{}
		p.emitLocked(report.Event{Kind: report.EventNoneEligible, From: report.NoneEligible, To: report.SomeEligible, Held: held, At: now})
	}
}

// explainLocked returns why no endpoint may be picked.
func (p *pool) explainLocked() *explain.NoEligibleError {
	now := time.Now()
	n := &explain.NoEligibleError{Of: len(p.list), Pinned: p.choice.pinned()}
	ineligible := 0
	for _, e := range p.list {
		if e.was.Class == judge.Eligible {
			continue
		}
		if ineligible++; len(n.Endpoints) == maxExplained {
			continue
		}
		is := e.was
		why := report.IneligibleEndpoint{Name: e.at.Name, State: is.State, Reason: is.Reason, Detail: is.Detail}
		if is.State == report.StateDrained {
			why.Reason = report.ReasonNone // the state is reason enough
		} else if is.State != report.StateEjected && !e.since.IsZero() {
			why.For = now.Sub(e.since)
		}
		n.Endpoints = append(n.Endpoints, why)
	}
	n.More = ineligible - len(n.Endpoints)
	return n
}

// canSpareLocked reports whether one more endpoint may be ejected: never the last
// eligible one, and at most half of the list.
func (p *pool) canSpareLocked(e *endpoint) bool {
	if p.choice.pinned() != "" || e.was.Class != judge.Eligible {
		return false
	}
	eligible := 0
	for _, other := range p.list {
		if other.was.Class == judge.Eligible {
			eligible++
		}
	}
	return eligible > 1 && 2*(int(p.anyEjected.Load())+1) <= len(p.list)
}

// update makes a list the current one. Endpoints that stay keep all that is known about
// them. Others leave once an endpoint of the new list can be picked.
func (p *pool) update(servers []server) error {
	made := make([]*endpoint, len(servers))
	for i, s := range servers { // without the lock: files are read
		e, err := p.newEndpoint(s)
		if err != nil {
			return fmt.Errorf("endpoints[%d]: %w", i, err)
		}
		made[i] = e
	}
	p.mu.Lock()
	defer p.unlock()
	if p.closed {
		return ErrClosed
	}
	old, oldLeaving := p.list, p.leaving
	p.list, p.leaving = nil, nil
	changed := len(old) != len(servers)
	for i, s := range servers {
		e := made[i]
		j := slices.IndexFunc(old, func(o *endpoint) bool { return o != nil && o.at.Name == s.Name && o.at.same(s) })
		if j >= 0 {
			e, old[j] = old[j], nil
			changed = changed || j != i || e.weight != max(1, s.Weight) || e.zone != s.Zone || e.priority != s.Priority
		} else {
			changed = true
			p.startLocked(e)
		}
		e.weight, e.zone, e.priority = max(1, s.Weight), s.Zone, s.Priority
		p.list = append(p.list, e)
	}
	for _, e := range slices.Concat(old, oldLeaving) {
		if e == nil {
			continue
		}
		if !e.unlisted {
			e.changedLocked(e.was.State, report.StateRemoved, judge.Why{})
			e.unlisted = true
		}
		p.leaving = append(p.leaving, e)
	}
	if changed {
		p.emitLocked(report.Event{Kind: report.EventList, To: report.ListAccepted, At: time.Now()})
	}
	p.choice.membersLocked()
	for _, e := range p.list {
		if e.was.State == "" {
			e.applyLocked()
		}
	}
	p.publishLocked()
	return nil
}

// newEndpoint makes an endpoint, which does nothing until startLocked.
func (p *pool) newEndpoint(s server) (*endpoint, error) {
	if err := p.creds.CheckEndpoint(s.Endpoint); err != nil {
		return nil, err
	}
	e := &endpoint{pool: p, at: s, health: judge.Health{State: report.HealthUnknown}}
	var err error
	if e.transport, err = newTransport(p.cfg.model, p.creds, s.Endpoint); err != nil {
		return nil, err
	}
	if p.cfg.health.Disabled {
		e.health = judge.Health{State: report.Healthy, Why: judge.Why{Reason: report.ReasonConnected}}
		return e, nil
	}
	e.readiness, err = newReadiness(s, p.cfg, p.creds, e.payload.Load)
	if err != nil {
		return nil, err
	}
	e.checker = checking.New(s.Name, p.cfg.health.Settings(), checking.Options{
		Budget: p.probes, OnTransition: e.transition,
		OnVerdict: func(k report.ProbeKind, v report.Verdict, took time.Duration) {
			p.teller.Verdict(s.Name, k, v.Outcome, took)
		},
	})
	return e, nil
}

// startLocked starts an endpoint.
func (p *pool) startLocked(e *endpoint) {
	p.lastID++
	e.id = p.lastID
	ctx, cancel := context.WithCancel(p.ctx)
	e.stop = cancel
	if e.checker == nil {
		return
	}
	p.wg.Go(func() {
		probes := checking.Probes{Check: e.readiness}
		e.checker.Run(ctx, probes)
		_ = probes.Close() // closes connections; it has no error
	})
}

// settleHandoverLocked retires the endpoints that have left the list, once one of the new
// list may be picked or none ever will.
func (p *pool) settleHandoverLocked() {
	if len(p.leaving) == 0 {
		return
	}
	proven := slices.ContainsFunc(p.list, func(e *endpoint) bool { return e.was.Class == judge.Eligible })
	drained := !slices.ContainsFunc(p.list, func(e *endpoint) bool { return !e.drained })
	if !proven && !drained {
		return
	}
	left := p.leaving
	p.leaving = nil
	for _, e := range left {
		p.retireLocked(e)
	}
	p.choice.membersLocked()
}

// retireLocked ends an endpoint. Requests in flight on it may finish.
func (p *pool) retireLocked(e *endpoint) {
	e.stop()
	if e.ejection.Phase != machine.Admitted {
		p.anyEjected.Add(-1)
		e.ejection = machine.Ejection{}
	}
	if e.ejectionTimer != nil {
		e.ejectionTimer.Stop()
		e.ejectionTimer = nil
	}
	p.retired = slices.DeleteFunc(p.retired, func(o *endpoint) bool { return o.flights.len() == 0 })
	p.retired = append(p.retired, e)
	p.moveLocked(e, &cantonlb.MovedError{From: e.at.Name, Reason: report.ReasonLeftList})
	p.after = append(p.after, e.transport.CloseIdleConnections)
}

// moveLocked has upgraded connections of an endpoint ended after a while, unless the
// endpoint is active again by then.
func (p *pool) moveLocked(e *endpoint, why error) {
	drain := defaultDrain
	if p.cfg.Failover != nil {
		drain = p.cfg.Failover.Drain
	}
	if t := p.moves[e]; t != nil {
		t.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(drain, func() {
		p.mu.Lock()
		defer p.unlock()
		if p.moves[e] != t {
			return // overtaken
		}
		delete(p.moves, e)
		if !p.closed && !p.choice.isActive(e) {
			p.after = append(p.after, func() { e.end(why, func(f *flight) bool { return f.upgraded.Load() }) })
		}
	})
	p.moves[e] = t
}

// search probes all endpoints when wanted rings, and repeatedly while no endpoint can be
// picked.
func (p *pool) search() {
	first := p.cfg.health.SuspectInterval
	timer := time.NewTimer(first)
	defer timer.Stop()
	for rounds := 0; ; rounds++ {
		asked := false
		select {
		case <-p.ctx.Done():
			return
		case <-p.wanted:
			asked, rounds = true, 0
		case <-timer.C:
		}
		seeking := p.seeking.Load()
		if asked || seeking {
			p.probeAll()
		}
		if seeking {
			timer.Reset(selector.SearchPause(rounds, first, rand.Float64()))
		}
	}
}

func (p *pool) probeAll() {
	p.mu.Lock()
	all := p.allLocked()
	p.unlock()
	for _, e := range all {
		if e.checker != nil {
			e.checker.ProbeNow()
		}
	}
}

// close ends all probes and all requests in flight.
func (p *pool) close() {
	p.mu.Lock()
	if p.closed {
		p.unlock()
		p.wg.Wait()
		return
	}
	p.closed = true
	p.choice.stopLocked()
	all := slices.Concat(p.list, p.leaving, p.retired)
	for _, e := range all {
		e.was.Class = judge.Out
		if e.ejectionTimer != nil {
			e.ejectionTimer.Stop()
		}
	}
	for _, t := range p.moves {
		t.Stop()
	}
	clear(p.moves)
	p.leaving = nil
	p.publishLocked()
	p.unlock()
	p.cancel()
	for _, e := range all {
		e.end(ErrClosed, func(*flight) bool { return true })
		e.transport.CloseIdleConnections()
	}
	p.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), tellPatience)
	defer cancel()
	left := p.teller.Close(ctx)
	for _, e := range all {
		if e.checker != nil {
			left = append(left, e.checker.Left())
		}
	}
	p.teller.Left(append(left, p.left.String()))
}

// tellPatience bounds how long Close waits for the last log lines, which are written by
// code of the program.
const tellPatience = 800 * time.Millisecond
