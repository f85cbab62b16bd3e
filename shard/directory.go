package shard

import (
	"maps"
	"slices"
	"time"
)

// fact is what one shard has said about a party or a user.
type fact struct {
	standing   Standing
	permission Permission
	// parties are those that a user has rights for, its primary party alone if it has one.
	parties []string
	// listed is true if the shard has not been asked: it has listed this among others, which
	// does not say the permission.
	listed bool
	// detail is why the newest look-up has failed; "" if it has not.
	detail string
	// at is when the shard last answered, and failed when it last did not.
	at, failed time.Time
}

// entry is what is known about one party or user.
type entry struct {
	facts map[string]fact
	// home is the shard that took the party's submissions. told is true once it was reported
	// that they cannot go there any more.
	home string
	told bool
	used time.Time
}

// hosted reports whether a shard is known to have it.
func (e *entry) hosted() bool {
	for _, f := range e.facts {
		if f.standing == StandingHosted {
			return true
		}
	}
	return false
}

// The pauses before a shard that did not answer is asked again, about what no other shard
// is known to have, and about what another one has.
const (
	retryAfter     = time.Second
	retryElsewhere = 30 * time.Second
)

// directory is what is known about parties, or about users. It is a pure state machine,
// and for one goroutine at a time.
type directory struct {
	most     int           // entries
	negative time.Duration // how long the answer that no shard has something is kept
	entries  map[string]*entry
	counts   map[string]int // how many each shard has
}

func newDirectory(most int, negative time.Duration) *directory {
	return &directory{most: most, negative: negative, entries: make(map[string]*entry), counts: make(map[string]int)}
}

// answers returns what these shards have said, in their order.
func (d *directory) answers(name string, shards []string) []Answer {
	list := make([]Answer, len(shards))
	e := d.entries[name]
	for i, s := range shards {
		list[i] = Answer{Shard: s, Standing: StandingUnknown, Detail: "not asked"}
		if e == nil {
			continue
		}
		f, ok := e.facts[s]
		if ok {
			list[i] = Answer{Shard: s, Standing: f.standing, Permission: f.permission, Listed: f.listed}
		}
		if f.standing == StandingUnknown || f.listed {
			list[i].Detail = f.detail
		}
	}
	return list
}

// settled reports whether a shard has said that it has something, when it was asked.
func (d *directory) settled(name, shard string) bool {
	e := d.entries[name]
	if e == nil {
		return false
	}
	f := e.facts[shard]
	return f.standing == StandingHosted && !f.listed
}

// parties returns the parties of a user at a shard.
func (d *directory) parties(name, shard string) []string {
	if e := d.entries[name]; e != nil {
		return e.facts[shard].parties
	}
	return nil
}

// due returns which of these shards to ask before a request goes on.
func (d *directory) due(name string, shards []string, now time.Time) []string {
	e := d.entries[name]
	if e == nil {
		return slices.Clone(shards)
	}
	hosted := e.hosted()
	var list []string
	for _, s := range shards {
		f, ok := e.facts[s]
		switch pause := retryAfter; {
		case !ok:
			list = append(list, s)
		case f.standing == StandingUnknown:
			if hosted {
				pause = retryElsewhere
			}
			if now.Sub(f.failed) >= pause {
				list = append(list, s)
			}
		case f.listed:
			if now.Sub(f.failed) >= pause {
				list = append(list, s)
			}
		case f.standing == StandingAbsent && !hosted && now.Sub(f.at) >= d.negative:
			list = append(list, s)
		}
	}
	return list
}

// stale returns up to most names that were used since a time and of which a shard has said
// something before another one, the newest use first.
func (d *directory) stale(since, before time.Time, most int) []string {
	var names []string
	for name, e := range d.entries {
		if e.used.Before(since) {
			continue
		}
		for _, f := range e.facts {
			if f.at.Before(before) {
				names = append(names, name)
				break
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return d.entries[b].used.Compare(d.entries[a].used) })
	return names[:min(len(names), most)]
}

// use returns the entry of a name, and makes one if there is none.
func (d *directory) use(name string, now time.Time) *entry {
	e := d.entries[name]
	if e == nil {
		d.makeRoom()
		e = &entry{facts: make(map[string]fact)}
		d.entries[name] = e
	}
	e.used = now
	return e
}

// record stores what a shard has said. If a shard did not answer, what it said before
// stays in effect.
func (d *directory) record(name, shard string, f fact, now time.Time) (was Standing) {
	e := d.entries[name]
	if e == nil {
		e = d.use(name, now)
	}
	before, ok := e.facts[shard]
	if !ok {
		before.standing = StandingUnknown
	}
	if f.standing == StandingUnknown {
		before.detail, before.failed = f.detail, now
		f = before
	} else {
		f.at = now
	}
	e.facts[shard] = f
	d.count(shard, before.standing, f.standing)
	return before.standing
}

func (d *directory) count(shard string, before, after Standing) {
	if before == StandingHosted {
		d.counts[shard]--
	}
	if after == StandingHosted {
		d.counts[shard]++
	}
}

// list stores that a shard has listed something. It displaces nothing: it returns false if
// there is no room.
func (d *directory) list(name, shard string, now time.Time) bool {
	e := d.entries[name]
	if e == nil {
		if len(d.entries) >= d.most {
			return false
		}
		e = &entry{facts: make(map[string]fact)}
		d.entries[name] = e
	}
	if f, ok := e.facts[shard]; !ok || f.standing != StandingHosted {
		d.count(shard, f.standing, StandingHosted)
		e.facts[shard] = fact{standing: StandingHosted, listed: true, at: now}
	}
	return true
}

// sampled is how many entries are compared to find one that may go.
const sampled = 16

// makeRoom removes an entry if there are too many: of some, the one that was not used for
// the longest time, and one with a home only if there is no other among them.
func (d *directory) makeRoom() {
	if len(d.entries) < d.most {
		return
	}
	var oldest string
	var found *entry
	n := 0
	for name, e := range d.entries {
		if found == nil || found.home != "" && e.home == "" ||
			(found.home != "") == (e.home != "") && e.used.Before(found.used) {
			oldest, found = name, e
		}
		if n++; n == sampled {
			break
		}
	}
	d.remove(oldest)
}

func (d *directory) remove(name string) {
	e := d.entries[name]
	if e == nil {
		return
	}
	for s, f := range e.facts {
		d.count(s, f.standing, StandingAbsent)
	}
	delete(d.entries, name)
}

// forget drops all that is known of a shard. Homes there are kept if kept is true.
func (d *directory) forget(shard string, kept bool) {
	maps.DeleteFunc(d.entries, func(_ string, e *entry) bool {
		delete(e.facts, shard)
		if e.home == shard && !kept {
			e.home = ""
		}
		return len(e.facts) == 0 && e.home == ""
	})
	delete(d.counts, shard)
}
