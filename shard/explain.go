package shard

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Explanation is where requests with a party go, and why.
type Explanation = report.PartyExplanation

// Explain returns where requests with a party go, and why, for people. It looks up what is
// not known and waits for the answers of all shards, until ctx ends; then those that have
// not answered are unknown. The error is that of a party that cannot be one, or ErrClosed.
func (r *Router) Explain(ctx context.Context, party string) (Explanation, error) {
	if err := checkName(party); err != nil {
		return Explanation{}, refuse(&RequestError{Method: "Explain", Field: "party", Problem: err.Error()})
	}
	k, woken := key{party: party}, make(chan struct{}, 1)
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.leaveLocked(map[key]struct{}{k: {}}, woken)
	}()
	for {
		r.mu.Lock()
		closed := r.closed
		answers, waiting := r.answersLocked(r.list.Load(), k, woken, time.Now()) //nolint:contextcheck // look-ups are for all callers
		x := r.explainLocked(party, answers)
		r.mu.Unlock()
		switch {
		case closed:
			return Explanation{}, refuse(ErrClosed)
		case len(waiting) == 0:
			return x, nil
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return x, nil
		case <-r.ctx.Done():
		}
	}
}

// Known is Explain without look-ups: a shard that has not been asked yet is unknown.
func (r *Router) Known(party string) (Explanation, error) {
	if err := checkName(party); err != nil {
		return Explanation{}, refuse(&RequestError{Method: "Known", Field: "party", Problem: err.Error()})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.explainLocked(party, r.knownLocked(r.list.Load(), key{party: party})), nil
}

// The kinds of requests of an explanation.
var explained = []struct {
	request report.PartyRequest
	kind    Kind
}{{report.PartyRead, KindRead}, {report.PartyPinned, KindPinned}, {report.PartySubmission, KindSubmission}}

// explainLocked decides by these answers as requests do.
func (r *Router) explainLocked(party string, answers []Answer) Explanation {
	x := Explanation{Party: party, Answers: answers}
	if e := r.parties.entries[party]; e != nil {
		x.Home = e.home
	}
	list := r.list.Load()
	for _, kind := range explained {
		v := decide(kind.kind, []subject{{party: party, act: kind.kind == KindSubmission, home: x.Home, answers: answers}}, r.prefer)
		err := v.err
		if err == nil && len(v.shards) == 1 {
			_, err = list.byName[v.shards[0]].trusted()
		}
		route := report.PartyRoute{Request: kind.request, Shards: v.shards}
		if err != nil {
			route = report.PartyRoute{Request: kind.request, Reason: reasonOf(err), Error: err.Error()}
		}
		x.Routes = append(x.Routes, route)
	}
	return x
}
