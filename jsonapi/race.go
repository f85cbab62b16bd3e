package jsonapi

import (
	"net/http"
	"time"
)

// landing is the end of one attempt.
type landing struct {
	flight *flight
	resp   *http.Response
	ending ending
}

// race makes an attempt and, if hedging is on and no response comes for a while, a second
// one elsewhere at the same time. It returns the first that needs no other attempt.
func (t *call) race(e *endpoint, trial bool) (*flight, *http.Response, ending) {
	after := t.client.pool.cfg.hedge
	ctx, f := t.begin(e, trial, false)
	if after == 0 || t.safety != SafetyIdempotent || t.named != "" || isUpgrade(t.req) {
		resp, end := t.fly(ctx, f)
		return f, resp, end
	}
	landings := make(chan landing, 2)
	fly := func() {
		ctx, f := ctx, f
		t.client.pool.spawn(func() {
			resp, end := t.fly(ctx, f) //nolint:bodyclose // race returns it, or discards it
			landings <- landing{f, resp, end}
		})
	}
	fly()
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case l := <-landings:
		return l.flight, l.resp, l.ending
	case <-timer.C:
	}
	first := f
	second, trial := t.second()
	if second == nil {
		l := <-landings
		return l.flight, l.resp, l.ending
	}
	ctx, f = t.begin(second, trial, true)
	fly()
	l := <-landings
	if t.wants(l) {
		next := <-landings
		if l.resp == nil || !t.wants(next) {
			l, next = next, l
		}
		discard(next)
		return l.flight, l.resp, l.ending
	}
	loser := first
	if l.flight == first {
		loser = f
	} else {
		first.endpoint.failedBadly(first.trial) // it was slower than one that began later
		t.client.pool.tally.HedgeWon()
	}
	loser.kill(errBeaten)
	t.client.pool.spawn(func() { discard(<-landings) })
	return l.flight, l.resp, l.ending
}

// wants reports whether another attempt may follow this one, as far as its ending goes.
// While one is under way, the bounds of attempts and pauses do not matter.
func (t *call) wants(l landing) bool { return t.situation(l.ending).mayRepeat() }

// second picks the endpoint of a second attempt, nil if there is none.
func (t *call) second() (*endpoint, bool) {
	p := t.client.pool
	s := p.picks.Load()
	if !t.hasAttempts() || !s.elsewhere(t.past) || !t.body.repeatable() {
		return nil, false
	}
	if !t.client.budget.TakeHedge(time.Now()) {
		p.tally.HedgeRefused()
		return nil, false
	}
	e, trial := s.pick(&p.turn, "", t.past)
	if e == nil || t.past(e) != pastNone {
		return nil, false
	}
	p.tally.Hedged()
	return e, trial
}

func discard(l landing) {
	if l.resp != nil {
		_ = l.resp.Body.Close() // another response is returned
	}
}

func isUpgrade(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }
