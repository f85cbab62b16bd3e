package shard

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// find returns the shard that a request belongs to.
func (r *Router) find(ctx context.Context, q Request) (Target, error) {
	t, err := r.search(ctx, q)
	return t, refuse(err)
}

// search is find, with errors without a status.
func (r *Router) search(ctx context.Context, q Request) (Target, error) {
	if r.ctx.Err() != nil {
		return Target{}, ErrClosed
	}
	if err := q.check(); err != nil {
		return Target{}, err
	}
	list, c := r.list.Load(), choiceOf(ctx)
	switch {
	case c.shard != "":
		m := list.byName[c.shard]
		if m == nil {
			return Target{}, &UnknownShardError{Name: c.shard, Known: list.names}
		}
		return m.target(), nil
	case q.Kind == KindNamed:
		return Target{}, &UnroutedError{Method: q.Method, Kind: q.Kind}
	case c.provider != "":
		return r.ForProvider(ctx, c.provider)
	}
	if err := c.check(q.Method); err != nil {
		return Target{}, err
	}
	subjects := subjectsOf(q, c)
	switch {
	case q.Kind == KindAny && c.empty():
		return list.oneOf(list.names, q.HTTP)
	case q.Kind == KindLocal && c.empty():
		return Target{}, &UnroutedError{Method: q.Method, Kind: q.Kind}
	case len(subjects) == 0:
		m := list.byName[r.cfg.Default]
		if m == nil {
			return Target{}, &UnroutedError{Method: q.Method, Kind: q.Kind}
		}
		return m.trusted()
	}
	v, list, waited, err := r.settle(ctx, q.Kind, subjects)
	if waited {
		r.outcomes.misses.Add(1)
	} else {
		r.outcomes.hits.Add(1)
	}
	if err != nil {
		return Target{}, err
	}
	return list.oneOf(v.shards, q.HTTP)
}

// check refuses names that a context has and no participant accepts.
func (c choice) check(method string) error {
	q := Request{Method: method, Parties: c.parties, User: c.user}
	return q.check()
}

// subjectsOf returns the parties and the user that the shard of a request must have, each
// party once.
func subjectsOf(q Request, c choice) []subject {
	var list []subject
	at := make(map[string]int)
	add := func(parties []string, act bool) {
		for _, p := range parties {
			i, ok := at[p]
			if !ok {
				i = len(list)
				at[p] = i
				list = append(list, subject{party: p})
			}
			list[i].act = list[i].act || act
		}
	}
	add(c.parties, false)
	add(q.ActAs, q.Kind == KindSubmission)
	add(q.Parties, false)
	switch {
	case c.user != "":
		list = append(list, subject{user: c.user, strict: true, refined: true})
	case len(list) == 0 && q.User != "" && q.Kind != KindAny && q.Kind != KindLocal:
		list = append(list, subject{user: q.User, strict: true})
	}
	return list
}

// oneOf returns one of these shards at random, a live one if there is one.
func (list *members) oneOf(names []string, http bool) (Target, error) {
	best, most := list.byName[names[0]], -1
	for _, i := range rand.Perm(len(names)) {
		m, score := list.byName[names[i]], 0
		switch {
		case len(names) == 1 || !m.has(http):
		case m.distrusted.Load() == nil && m.live(http):
			score = 2
		case m.distrusted.Load() == nil:
			score = 1
		}
		if score > most {
			best, most = m, score
		}
	}
	return best.trusted()
}

// settle finds the shard of a request with subjects. It looks up what is not known, and
// waits for as long as the answers could change where the request goes. It returns the
// list of shards that the verdict is about, and whether it has waited.
func (r *Router) settle(ctx context.Context, kind Kind, subjects []subject) (v verdict, list *members, waited bool, err error) {
	woken := make(chan struct{}, 1)
	joined := make(map[key]struct{})
	defer func() {
		if len(joined) > 0 {
			r.mu.Lock()
			r.leaveLocked(joined, woken)
			r.mu.Unlock()
		}
	}()
	patience := time.NewTimer(r.grace)
	defer patience.Stop()
	hurried := false
	for {
		var waiting bool
		v, list, waiting = r.look(kind, subjects, woken, joined, hurried) //nolint:contextcheck // look-ups are for all callers
		r.tellMoved(v.err, waiting)
		if !waiting {
			return v, list, waited, v.err
		}
		waited = true
		select {
		case <-woken:
		case <-patience.C:
			hurried = true
		case <-ctx.Done():
			return v, list, waited, &endedError{cause: context.Cause(ctx), why: v.err}
		case <-r.ctx.Done():
			return v, list, waited, ErrClosed
		}
	}
}

// look decides by what is known now. It reports whether to wait for more.
func (r *Router) look(kind Kind, subjects []subject, woken chan struct{}, joined map[key]struct{}, hurried bool,
) (v verdict, list *members, waiting bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list = r.list.Load()
	if r.closed {
		return verdict{err: ErrClosed}, list, false
	}
	now := time.Now()
	sound := false // a shard has not answered that is not known to fail
	note := func(k key) []Answer {
		answers, left := r.answersLocked(list, k, woken, now)
		for _, m := range left {
			joined[k] = struct{}{}
			waiting = true
			sound = sound || !m.failing.Load()
		}
		return answers
	}
	for i := range subjects {
		s := &subjects[i]
		s.answers = note(key{party: s.party, user: s.user})
		if e := r.parties.entries[s.party]; e != nil && s.party != "" {
			s.home = e.home
		}
		if s.refined {
			r.refineLocked(s, note)
		}
	}
	v = decide(kind, subjects, r.prefer)
	if waiting && v.open && (v.err != nil || sound && !hurried) {
		return v, list, true
	}
	if v.err == nil && kind == KindSubmission {
		for _, s := range subjects {
			if s.act {
				r.parties.use(s.party, now).home = v.shards[0]
			}
		}
	}
	return v, list, false
}

// tellMoved reports the first submission of a party that was refused since it would move.
func (r *Router) tellMoved(err error, waiting bool) {
	var moved *MovedError
	if waiting || !errors.As(err, &moved) {
		return
	}
	r.mu.Lock()
	e := r.parties.entries[moved.Party]
	if e == nil || e.told {
		r.mu.Unlock()
		return
	}
	e.told = true
	told := r.eventLocked(EventMoved, moved.To, moved.Error())
	r.mu.Unlock()
	r.tell(told)
}

// refineLocked leaves of several shards that have a user those that host its parties.
func (r *Router) refineLocked(s *subject, answers func(key) []Answer) {
	if !onSeveral(s.answers) {
		return
	}
	s.answers = refine(s.answers, func(i int) Standing { return r.hostsLocked(s.user, s.answers[i].Shard, i, answers) })
}

// hostsLocked returns whether a shard, which is the i-th, hosts one of the parties that it
// says a user has.
func (r *Router) hostsLocked(user, shard string, i int, answers func(key) []Answer) Standing {
	best := StandingAbsent
	for _, p := range r.users.parties(user, shard) {
		switch answers(key{party: p})[i].Standing {
		case StandingHosted:
			return StandingHosted
		case StandingUnknown:
			best = StandingUnknown
		case StandingAbsent:
		}
	}
	return best
}
