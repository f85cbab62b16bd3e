//go:build unix

package leases

import (
	"slices"
	"time"
)

// term is one time in which a candidate was a holder.
type term struct {
	who   *candidate
	begin time.Duration
}

// judge compares what both processes have done since the fault began.
func judge(s *situation, end time.Duration) (v Value) {
	var terms []term
	var acts []time.Duration
	for _, c := range []*candidate{s.holder, s.other} {
		c.mu.Lock()
		defer c.mu.Unlock() //nolint:revive // both are read until the end
		for _, at := range c.started {
			terms = append(terms, term{c, at})
		}
		acts = append(acts, c.acted...)
	}
	slices.SortFunc(terms, func(a, b term) int { return int(a.begin - b.begin) })
	for _, c := range []*candidate{s.holder, s.other} {
		for _, at := range c.acted {
			if late := overlap(terms, c, at); late > 0 {
				v.Outside++
				v.Late = max(v.Late, late)
			}
		}
	}
	for _, begin := range s.other.started {
		if v.Takeover == 0 && begin >= s.began {
			v.Takeover = begin - s.began
		}
	}
	slices.Sort(acts)
	last := s.began
	for _, at := range acts {
		if at < s.began {
			continue
		}
		v.Silence, last = max(v.Silence, at-last), at
	}
	v.None = end-last > s.ttl/2
	return v
}

// overlap returns by how much an action of c came after the begin of another holder's
// term that is newer than c's own; 0 if it did not.
func overlap(terms []term, c *candidate, at time.Duration) (late time.Duration) {
	for i, own := range terms {
		if own.who != c || own.begin > at || slices.ContainsFunc(terms[i+1:], func(t term) bool { return t.who == c && t.begin <= at }) {
			continue
		}
		for _, newer := range terms[i+1:] {
			if newer.who != c && newer.begin < at {
				late = max(late, at-newer.begin)
			}
		}
	}
	return late
}

// committed is one commit of a term, in the order of the store. Terms are numbered by
// when they have begun.
type committed struct {
	term  int64
	order int64
}

// stale counts the commits of a term after the first one of a newer term.
func stale(commits []committed) (n int) {
	first := map[int64]int64{}
	for _, c := range commits {
		if order, ok := first[c.term]; !ok || c.order < order {
			first[c.term] = c.order
		}
	}
	for _, c := range commits {
		for term, order := range first {
			if term > c.term && order < c.order {
				n++
				break
			}
		}
	}
	return n
}
