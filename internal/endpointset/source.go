package endpointset

import (
	"slices"

	"github.com/cantonlb/cantonlb/internal/judge"
)

// source answers the pickers of a set. It implements pick.Source. Its methods take the
// set's lock.
type source struct{ set *Set }

// Explain implements pick.Source.
func (s source) Explain() error { return s.set.explain() }

// Stale reports whether a newer snapshot is about to be published, or one that has an
// endpoint to pick.
func (s source) Stale() bool {
	s.set.scope.Lock()
	defer s.set.scope.Unlock()
	return s.set.pub.Stale() || s.set.pickableLocked()
}

// Republish has another snapshot published.
func (s source) Republish() {
	s.set.scope.Lock()
	defer s.set.scope.Unlock()
	s.set.pub.Mark()
}

// Elsewhere reports whether an endpoint is eligible that was not tried. A call asks it
// whose endpoint has rejected its token.
func (s source) Elsewhere(tried func(endpoint string) bool) bool {
	s.set.scope.Lock()
	defer s.set.scope.Unlock()
	return slices.ContainsFunc(s.set.list, func(e *endpoint) bool { return e.was.Class == judge.Eligible && !tried(e.name) })
}
