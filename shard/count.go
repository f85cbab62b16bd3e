package shard

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cantonlb/cantonlb/report"
)

// counts are those of one shard. They outlive a change of its settings.
type counts struct {
	requests                atomic.Uint64
	hosted, absent, unknown atomic.Uint64 // answers
}

// answered counts what a look-up has said.
func (c *counts) answered(s Standing) {
	switch s {
	case StandingHosted:
		c.hosted.Add(1)
	case StandingAbsent:
		c.absent.Add(1)
	default:
		c.unknown.Add(1)
	}
}

// answers returns the counts of answers.
func (c *counts) answers() map[Standing]uint64 {
	return map[Standing]uint64{
		StandingHosted: c.hosted.Load(), StandingAbsent: c.absent.Load(), StandingUnknown: c.unknown.Load(),
	}
}

// outcomes counts what has become of requests.
type outcomes struct {
	// hits are requests whose shard was known, and misses those that have waited for it.
	hits, misses atomic.Uint64

	mu      sync.Mutex // a leaf
	refused map[report.Reason]uint64
}

// refuse counts an error, and returns it with its status.
func (o *outcomes) refuse(err error) error {
	reason := reasonOf(err)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refused == nil {
		o.refused = make(map[report.Reason]uint64)
	}
	o.refused[reason]++
	return refuse(err)
}

func (o *outcomes) reasons() map[report.Reason]uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.refused)
}

// eventCountsLocked returns how often each event has happened, sorted.
func (r *Router) eventCountsLocked() []report.ShardEventCount {
	list := make([]report.ShardEventCount, 0, len(r.happened))
	for h, n := range r.happened {
		list = append(list, report.ShardEventCount{Kind: h.kind, Shard: h.shard, Count: n})
	}
	slices.SortFunc(list, func(a, b report.ShardEventCount) int {
		if a.Shard != b.Shard {
			return strings.Compare(a.Shard, b.Shard)
		}
		return strings.Compare(string(a.Kind), string(b.Kind))
	})
	return list
}
