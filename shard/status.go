package shard

import "time"

// Status is a snapshot of a Router. The caller may keep it.
type Status struct {
	At time.Time
	// Shards are sorted by name.
	Shards []ShardStatus
	// Default is the shard of requests that say nothing about theirs; "" if there is none.
	Default string
	// Parties and Users are how many are remembered, and LookUps how many look-ups are under
	// way.
	Parties, Users, LookUps int
	// Refused counts the requests that were refused.
	Refused uint64
}

// ShardStatus is a snapshot of one shard.
type ShardStatus struct {
	Name string
	// Participant is the participant's ID; "" if it is not known.
	Participant string
	// Live reports that the shard can take requests now. Distrusted is why it gets none
	// although it can: it is another participant than it should be.
	Live       bool
	Distrusted string
	// Parties and Users are how many are known to be on it.
	Parties, Users int
	// Listed reports that the user of the look-ups may list parties and users. Truncated
	// reports that there are more than are remembered.
	Listed, Truncated bool
	// Refreshed is when the newest refresh ended; zero if none has. LastError is its error.
	Refreshed time.Time
	LastError string
	// Requests counts the requests that were routed to it.
	Requests uint64
}

// Status returns a snapshot.
func (r *Router) Status() Status {
	list := r.list.Load()
	s := Status{At: time.Now(), Default: r.cfg.Default, Refused: r.refused.Load()}
	for _, name := range list.names {
		m := list.byName[name]
		x := ShardStatus{
			Name: name, Live: m.live(m.Client == nil), Requests: m.requests.Load(),
		}
		if why := m.distrusted.Load(); why != nil {
			x.Distrusted = *why
		}
		s.Shards = append(s.Shards, x)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Parties, s.Users, s.LookUps = len(r.parties.entries), len(r.users.entries), r.asks
	for i := range s.Shards {
		x := &s.Shards[i]
		d := list.byName[x.Name].discovery
		x.Participant, x.Listed, x.Truncated, x.Refreshed, x.LastError = d.participant, d.listed, d.truncated, d.at, d.err
		x.Parties, x.Users = r.parties.counts[x.Name], r.users.counts[x.Name]
	}
	return s
}
