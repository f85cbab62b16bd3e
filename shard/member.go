package shard

import (
	"maps"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/same"
)

// members are the shards of one list. They do not change.
type members struct {
	byName    map[string]*member
	names     []string // sorted
	providers map[string]string
}

// member is a shard with its standing.
type member struct {
	Shard

	name string
	// static holds the parties and users that need no look-up.
	static map[key]struct{}
	slots  chan struct{} // one for each look-up under way
	counts *counts
	// failing is true while look-ups at the shard fail.
	failing atomic.Bool
	// distrusted is why the shard gets no requests; nil if it does.
	distrusted atomic.Pointer[string]

	// said has the participant ID that each JSON API server said last. It belongs to the
	// goroutine of the look-ups.
	said map[string]string

	// discovery is what the refresh has found. Router.mu guards it.
	discovery discovery
}

// newMembers returns the members of a list. Those of the list before whose look-ups stay
// the same keep their standing.
func newMembers(shards map[string]Shard, before *members) *members {
	m := &members{
		byName: make(map[string]*member, len(shards)), providers: make(map[string]string),
		names: slices.Sorted(maps.Keys(shards)),
	}
	for name, s := range shards {
		s.Parties, s.Users, s.Providers = slices.Clone(s.Parties), slices.Clone(s.Users), slices.Clone(s.Providers)
		if s.Discovery == nil {
			s.Discovery = s.Client
		}
		if s.Discovery == nil {
			s.NoDiscovery = true
		}
		x := &member{Shard: s, name: name, static: make(map[key]struct{}), counts: new(counts), slots: make(chan struct{}, slotsOfShard)}
		for _, p := range s.Parties {
			x.static[key{party: p}] = struct{}{}
		}
		for _, u := range s.Users {
			x.static[key{user: u}] = struct{}{}
		}
		if before != nil {
			old := before.byName[name]
			if old != nil {
				x.counts = old.counts
			}
			if old != nil && old.sameSource(x) {
				x.slots, x.discovery = old.slots, old.discovery
				x.failing.Store(old.failing.Load())
				x.distrusted.Store(old.distrusted.Load())
			}
		}
		m.byName[name] = x
		for _, p := range s.Providers {
			m.providers[p] = name
		}
	}
	return m
}

// askable returns the names of the shards that can be asked who is on them.
func (list *members) askable() []string {
	return slices.DeleteFunc(slices.Clone(list.names), func(name string) bool { return list.byName[name].NoDiscovery })
}

// sameSource reports whether the look-ups of both have the same answers.
func (m *member) sameSource(other *member) bool {
	return m.NoDiscovery == other.NoDiscovery && m.Participant == other.Participant && m.IdentityProvider == other.IdentityProvider &&
		same.Value(m.Discovery, other.Discovery) && same.Value(m.Credentials, other.Credentials)
}

// live reports whether the shard can take requests now, by one of its clients.
func (m *member) live(http bool) bool {
	if m.Live != nil {
		return m.Live()
	}
	if http {
		return m.JSON.Status().State == connectivity.Ready
	}
	switch c := m.Client.(type) {
	case interface{ GetState() connectivity.State }:
		return c.GetState() == connectivity.Ready
	case interface{ Conn() *grpc.ClientConn }:
		return c.Conn().GetState() == connectivity.Ready
	}
	return true
}

// has reports whether the shard has a client for this kind of request.
func (s *Shard) has(http bool) bool {
	if http {
		return s.JSON != nil
	}
	return s.Client != nil
}

// trusted returns the shard as a target unless its identity is in doubt.
func (m *member) trusted() (Target, error) {
	if why := m.distrusted.Load(); why != nil {
		return Target{}, &IdentityError{Shard: m.name, Detail: *why}
	}
	return m.target(), nil
}

func (m *member) target() Target { return Target{Name: m.name, Shard: m.Shard, counts: m.counts} }
