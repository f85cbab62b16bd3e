package shard

import (
	"context"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Explanation is where requests with a party go, and why.
type Explanation = report.PartyExplanation

// UserExplanation is where requests with a user go, and why.
type UserExplanation = report.UserExplanation

// Explain returns where requests with a party go, and why, for people. It looks up what is
// not known and waits for the answers of all shards, until ctx ends; then those that have
// not answered are unknown. The error is that of a party that cannot be one, or ErrClosed.
func (r *Router) Explain(ctx context.Context, party string) (x Explanation, err error) {
	if err := checkName(party); err != nil {
		return x, refuse(&RequestError{Method: "Explain", Field: "party", Problem: err.Error()})
	}
	err = r.consult(ctx, func(answers func(key) []Answer) { x = r.explainLocked(party, answers) })
	return x, err
}

// Known is Explain without look-ups: a shard that has not been asked yet is unknown.
func (r *Router) Known(party string) (Explanation, error) {
	if err := checkName(party); err != nil {
		return Explanation{}, refuse(&RequestError{Method: "Known", Field: "party", Problem: err.Error()})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.explainLocked(party, r.rememberedLocked), nil
}

// ExplainUser returns where requests with a user go, and why, as Explain does for a party.
func (r *Router) ExplainUser(ctx context.Context, user string) (x UserExplanation, err error) {
	if err := checkName(user); err != nil {
		return x, refuse(&RequestError{Method: "ExplainUser", Field: "user", Problem: err.Error()})
	}
	err = r.consult(ctx, func(answers func(key) []Answer) { x = r.explainUserLocked(user, answers) })
	return x, err
}

// KnownUser is ExplainUser without look-ups.
func (r *Router) KnownUser(user string) (UserExplanation, error) {
	if err := checkName(user); err != nil {
		return UserExplanation{}, refuse(&RequestError{Method: "KnownUser", Field: "user", Problem: err.Error()})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.explainUserLocked(user, r.rememberedLocked), nil
}

// rememberedLocked returns what the shards have said about a key.
func (r *Router) rememberedLocked(k key) []Answer { return r.knownLocked(r.list.Load(), k) }

// consult calls look with a function that returns what the shards say, again after each
// answer, until there is an answer of each shard to all that look has asked about, or ctx
// ends. It holds the lock during a call.
func (r *Router) consult(ctx context.Context, look func(answers func(key) []Answer)) error {
	asked, woken := make(map[key]struct{}), make(chan struct{}, 1)
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.leaveLocked(asked, woken)
	}()
	for {
		waiting := false
		r.mu.Lock()
		closed := r.closed
		look(func(k key) []Answer { //nolint:contextcheck // look-ups are for all callers
			answers, left := r.answersLocked(r.list.Load(), k, woken, time.Now())
			asked[k] = struct{}{}
			waiting = waiting || len(left) > 0
			return answers
		})
		r.mu.Unlock()
		switch {
		case closed:
			return refuse(ErrClosed)
		case !waiting:
			return nil
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return nil
		case <-r.ctx.Done():
		}
	}
}

// The kinds of requests of an explanation.
var explained = []struct {
	request report.PartyRequest
	kind    Kind
}{{report.PartyRead, KindRead}, {report.PartyPinned, KindPinned}, {report.PartySubmission, KindSubmission}}

// explainLocked decides by these answers as requests with a party do.
func (r *Router) explainLocked(party string, answers func(key) []Answer) Explanation {
	x := Explanation{Party: party, Answers: answers(key{party: party})}
	if e := r.parties.entries[party]; e != nil {
		x.Home = e.home
	}
	for _, kind := range explained {
		s := subject{party: party, act: kind.kind == KindSubmission, home: x.Home, answers: x.Answers}
		x.Routes = append(x.Routes, r.route(kind.request, kind.kind, s))
	}
	return x
}

// explainUserLocked decides by these answers as requests with a user do. What kind of
// request it is does not matter for a user.
func (r *Router) explainUserLocked(user string, answers func(key) []Answer) UserExplanation {
	x := UserExplanation{User: user}
	s := subject{user: user, strict: true, answers: answers(key{user: user})}
	several := onSeveral(s.answers)
	for i, a := range s.answers {
		said := report.UserAnswer{ShardAnswer: a}
		if a.Standing == StandingHosted {
			said.Parties = slices.Clone(r.users.parties(user, a.Shard))
			if several {
				said.Hosts = r.hostsLocked(user, a.Shard, i, answers)
			}
		}
		x.Answers = append(x.Answers, said)
	}
	x.Routes = append(x.Routes, r.route(report.UserInRequest, KindPinned, s))
	r.refineLocked(&s, answers)
	x.Routes = append(x.Routes, r.route(report.UserInContext, KindPinned, s))
	return x
}

// route decides where requests of one kind with a subject go.
func (r *Router) route(request report.PartyRequest, kind Kind, s subject) report.PartyRoute {
	v := decide(kind, []subject{s}, r.prefer)
	err := v.err
	if err == nil && len(v.shards) == 1 {
		_, err = r.list.Load().byName[v.shards[0]].trusted()
	}
	if err != nil {
		return report.PartyRoute{Request: request, Reason: reasonOf(err), Error: err.Error()}
	}
	return report.PartyRoute{Request: request, Shards: v.shards}
}
