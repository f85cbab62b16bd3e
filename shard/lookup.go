package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// key is what is looked up: a party or a user.
type key struct{ party, user string }

// lookUp is what is under way about one party or user, for all who wait for it.
type lookUp struct {
	asked   map[string]*member
	waiters map[chan struct{}]struct{}
}

const (
	// slotsOfShard bounds the look-ups that one shard gets at a time, and maxAsks those
	// that wait for a slot or are under way.
	slotsOfShard = 32
	maxAsks      = 4096
	// grace is how long a request for which there is a shard waits for the others, which
	// could have the party as well, unless they are known to fail.
	grace = time.Second
)

var errTooMany = fmt.Errorf("%d look-ups are under way already", maxAsks)

// directory returns where what is known of a key is.
func (r *Router) directoryOf(k key) (*directory, string) {
	if k.user != "" {
		return r.users, k.user
	}
	return r.parties, k.party
}

// answersLocked returns what the shards say about a key. It asks those that must be asked,
// and has wake told of each answer. waiting is the members that have not answered yet.
func (r *Router) answersLocked(list *members, k key, wake chan struct{}, now time.Time) (answers []Answer, waiting []*member) {
	d, name := r.directoryOf(k)
	if askable := list.askable(); len(askable) > 0 {
		d.use(name, now)
		r.askLocked(list, k, d.due(name, askable, now), now)
	}
	if under := r.asking[k]; under != nil {
		for _, s := range list.names {
			if m := list.byName[s]; r.awaitsLocked(m, k) {
				waiting = append(waiting, m)
			}
		}
		if len(waiting) > 0 {
			under.waiters[wake] = struct{}{}
		}
	}
	return r.knownLocked(list, k), waiting
}

// awaitsLocked reports whether a look-up is under way at a shard whose answer could matter.
func (r *Router) awaitsLocked(m *member, k key) bool {
	d, name := r.directoryOf(k)
	under := r.asking[k]
	_, static := m.static[k]
	return under != nil && under.asked[m.name] == m && !static && !m.NoDiscovery && !d.settled(name, m.name)
}

// knownLocked returns what the shards have said about a key.
func (r *Router) knownLocked(list *members, k key) []Answer {
	d, name := r.directoryOf(k)
	answers := d.answers(name, list.names)
	for i := range answers {
		a, m := &answers[i], list.byName[answers[i].Shard]
		_, static := m.static[k]
		switch {
		case static:
			*a = Answer{Shard: a.Shard, Standing: StandingHosted}
		case m.NoDiscovery:
			*a = Answer{Shard: a.Shard, Standing: StandingAbsent}
		case r.awaitsLocked(m, k):
			*a = Answer{Shard: a.Shard, Standing: StandingUnknown, Detail: "no answer yet"}
		}
		if why := m.distrusted.Load(); why != nil {
			*a = Answer{Shard: a.Shard, Standing: StandingUnknown, Detail: *why}
		}
	}
	return answers
}

// askLocked asks shards that are not being asked yet.
func (r *Router) askLocked(list *members, k key, due []string, now time.Time) {
	d, name := r.directoryOf(k)
	for _, s := range due {
		m := list.byName[s]
		under := r.asking[k]
		if under != nil && under.asked[s] == m {
			continue
		}
		if r.closed || r.asks >= maxAsks {
			d.record(name, s, fact{standing: StandingUnknown, detail: errTooMany.Error()}, now)
			continue
		}
		if under == nil {
			under = &lookUp{asked: make(map[string]*member), waiters: make(map[chan struct{}]struct{})}
			r.asking[k] = under
		}
		under.asked[s] = m
		r.asks++
		r.wg.Go(func() { r.ask(m, k) })
	}
}

// ask asks one shard about a key, and stores the answer.
func (r *Router) ask(m *member, k key) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.LookUpTimeout)
	defer cancel()
	f, err := m.answer(ctx, k)
	if err != nil {
		f = fact{standing: StandingUnknown, detail: detailOf(err)}
	}
	m.failing.Store(err != nil && !denied(err))
	m.counts.answered(f.standing)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asks--
	under := r.asking[k]
	if under == nil || under.asked[m.name] != m {
		return // the shard was replaced meanwhile
	}
	delete(under.asked, m.name)
	if r.list.Load().byName[m.name] == m {
		d, name := r.directoryOf(k)
		d.record(name, m.name, f, time.Now())
	}
	for w := range under.waiters {
		wake(w)
	}
	if len(under.asked) == 0 {
		delete(r.asking, k)
	}
}

// answer asks the shard, once it has a slot.
func (m *member) answer(ctx context.Context, k key) (fact, error) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return fact{}, errors.New("too many look-ups are under way at the shard")
	}
	if k.user != "" {
		return m.source().user(ctx, k.user)
	}
	return m.source().party(ctx, k.party)
}

// detailOf returns an error of a look-up for people.
func detailOf(err error) string {
	if s, ok := status.FromError(err); ok {
		return cleantext.Detail(fmt.Sprintf("%v: %s", s.Code(), s.Message()))
	}
	return cleantext.Detail(err.Error())
}

// leaveLocked ends the waiting for keys.
func (r *Router) leaveLocked(keys map[key]struct{}, wake chan struct{}) {
	for k := range keys {
		if under := r.asking[k]; under != nil {
			delete(under.waiters, wake)
		}
	}
}

// wake puts a token into a channel of capacity 1, unless there is one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
