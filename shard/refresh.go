package shard

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// discovery is what the refresh has found out about one shard.
type discovery struct {
	// participant is the ID that the shard has, as configured or as it said first.
	participant string
	// at is when the newest refresh ended, and err what it failed with; "" if it did not.
	at  time.Time
	err string
	// listed is true if the user of the look-ups may list, and truncated if there are more
	// parties or users than fit.
	listed, truncated bool
}

// mostRenewed bounds how many parties, and how many users, one refresh looks up again.
const mostRenewed = 10_000

// refresh is the goroutine that owns the regular look-ups.
func (r *Router) refresh() {
	for {
		began := time.Now()
		list := r.list.Load()
		var all sync.WaitGroup
		for _, m := range list.byName {
			if !m.NoDiscovery {
				all.Go(func() { r.refreshShard(m) })
			}
		}
		all.Wait()
		r.renew(list, began)
		pause := r.cfg.Refresh - r.cfg.Refresh/10 + rand.N(r.cfg.Refresh/5)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.changed:
			timer.Stop()
		case <-r.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// refreshShard asks a shard for its participant ID, and for its parties and users.
func (r *Router) refreshShard(m *member) {
	ctx, cancel := context.WithTimeout(r.ctx, max(r.cfg.LookUpTimeout, r.cfg.Refresh/2))
	defer cancel()
	err := r.identify(ctx, m)
	var found discovery
	if err == nil && m.distrusted.Load() == nil {
		found, err = r.listAll(ctx, m)
	}
	if r.ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	before := m.discovery
	found.participant, found.at = before.participant, time.Now()
	if err != nil {
		found.err = detailOf(err)
		found.listed, found.truncated = before.listed, before.truncated
	}
	m.discovery = found
	var told []Event
	switch {
	case err != nil && before.err == "":
		told = append(told, r.eventLocked(EventDiscoveryFailed, m.name, found.err))
	case err == nil && before.err != "":
		told = append(told, r.eventLocked(EventDiscoveryRegained, m.name, ""))
	}
	if found.truncated && !before.truncated {
		told = append(told, r.eventLocked(EventTruncated, m.name, fmt.Sprintf(
			"it lists more than fit: maxParties is %d, and maxUsers is %d", r.cfg.MaxParties, r.cfg.MaxUsers)))
	}
	r.mu.Unlock()
	m.failing.Store(err != nil)
	r.tell(told...)
}

// listAll stores the parties and users that a shard lists, as far as its user may list
// them.
func (r *Router) listAll(ctx context.Context, m *member) (found discovery, err error) {
	store := func(d *directory) func([]string) bool {
		return func(names []string) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.list.Load().byName[m.name] != m {
				return false
			}
			now := time.Now()
			for _, name := range names {
				if !d.list(name, m.name, now) {
					found.truncated = true
					return false
				}
			}
			return true
		}
	}
	err = m.source().listParties(ctx, store(r.parties))
	if err == nil {
		err = m.source().listUsers(ctx, store(r.users))
	}
	switch {
	case err != nil && denied(err):
		return found, nil // each party is looked up when it is first used
	case err != nil:
		return found, err
	}
	found.listed = true
	return found, nil
}

// renew looks up again what was used lately and is older than a refresh. A shard
// that does not answer one look-up is asked no more of them, since each would take until its
// timeout. It ends when the next refresh is due.
func (r *Router) renew(list *members, began time.Time) {
	since := began.Add(-r.cfg.Refresh * 5 / 4)
	r.mu.Lock()
	var keys []key
	for _, name := range r.parties.stale(since, began.Add(-r.cfg.Refresh/2), mostRenewed) {
		keys = append(keys, key{party: name})
	}
	for _, name := range r.users.stale(since, began.Add(-r.cfg.Refresh/2), mostRenewed) {
		keys = append(keys, key{user: name})
	}
	r.mu.Unlock()
	askable := list.askable()
	for _, k := range keys {
		if !r.again(list, k, askable) || r.list.Load() != list || time.Since(began) >= r.cfg.Refresh {
			return
		}
		askable = slices.DeleteFunc(askable, func(name string) bool { return list.byName[name].failing.Load() })
	}
}

// again looks a key up at these shards and waits for the answers. It returns false if the
// router is closed.
func (r *Router) again(list *members, k key, askable []string) bool {
	woken := make(chan struct{}, 1)
	r.mu.Lock()
	r.askLocked(list, k, askable, time.Now())
	for {
		under := r.asking[k]
		if under == nil {
			r.mu.Unlock()
			return r.ctx.Err() == nil
		}
		under.waiters[woken] = struct{}{}
		r.mu.Unlock()
		select {
		case <-woken:
		case <-r.ctx.Done():
			return false
		}
		r.mu.Lock()
	}
}
