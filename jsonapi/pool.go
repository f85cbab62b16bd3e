package jsonapi

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	awaited    atomic.Int64 // requests whose response has not begun
	shut       atomic.Bool  // no new requests are taken

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
	refusal   bool // the newest list was refused
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

// spawn calls f in a goroutine that close waits for or, if the pool is closed, at once.
func (p *pool) spawn(f func()) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.wg.Go(f)
	}
	p.unlock()
	if closed {
		f()
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
		e.gone.Store(true)
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
