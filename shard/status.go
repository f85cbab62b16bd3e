package shard

import (
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Status is a snapshot of a Router. The caller may keep it.
type Status = report.RouterStatus

// ShardStatus is a snapshot of one shard.
type ShardStatus = report.ShardStatus

// Status returns a snapshot.
func (r *Router) Status() Status {
	list := r.list.Load()
	s := Status{
		Name: r.cfg.Name, At: time.Now(), Shards: []ShardStatus{}, Default: r.cfg.Default,
		Hits: r.outcomes.hits.Load(), Misses: r.outcomes.misses.Load(), Refused: r.outcomes.reasons(),
	}
	if r.follower != nil {
		file := r.follower.Status()
		s.File = &file
	}
	for _, name := range list.names {
		s.Shards = append(s.Shards, list.byName[name].status())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Parties, s.Users, s.LookUps = len(r.parties.entries), len(r.users.entries), r.asks
	s.Events = r.eventCountsLocked()
	for i := range s.Shards {
		x := &s.Shards[i]
		d := list.byName[x.Name].discovery
		x.Participant, x.Listed, x.Truncated, x.Refreshed, x.LastError = d.participant, d.listed, d.truncated, d.at, d.err
		x.Parties, x.Users = r.parties.counts[x.Name], r.users.counts[x.Name]
		if m := list.byName[x.Name]; m.NoDiscovery {
			x.Parties, x.Users = len(m.Shard.Parties), len(m.Shard.Users)
		}
	}
	return s
}

// status returns what is known without the lock of the Router.
func (m *member) status() ShardStatus {
	s := ShardStatus{
		Name: m.name, LooksUp: !m.NoDiscovery, Requests: m.counts.requests.Load(), Answers: m.counts.answers(),
	}
	up, of := 0, 0
	state := func(http bool) report.ShardState {
		if !m.has(http) {
			return ""
		}
		of++
		if !m.live(http) {
			return report.ShardDown
		}
		up++
		return report.ShardLive
	}
	s.GRPC, s.JSON = state(false), state(true)
	why := m.distrusted.Load()
	switch {
	case why != nil:
		s.State, s.Detail = report.ShardDistrusted, *why
	case up == of:
		s.State = report.ShardLive
	case up > 0:
		s.State = report.ShardDegraded
	default:
		s.State = report.ShardDown
	}
	return s
}
