package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/searching"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// search is the search for an endpoint to pick. The set's lock guards it.
type search struct {
	wanted  selector.Bell // probe all now
	running bool          // the searcher runs, until Close
	seeking bool          // no endpoint can be picked
}

// seek starts or ends the search as required.
func (c *choice) seek() {
	s := c.set
	x := &c.search
	if !x.running && !s.scope.Closed() {
		x.running = true
		searcher := searching.Searcher{Wanted: x.wanted, Seeks: c.seeks, Knock: c.knockAll}
		s.scope.GoUntilClosed(searcher.Run)
	}
	was := x.seeking
	x.seeking = len(s.list) > 0 && !s.pickableLocked()
	if x.seeking && !was {
		x.wanted.Ring()
	}
}

// seeks reports whether the search continues, and returns its first pause.
func (c *choice) seeks() (seeking bool, pause time.Duration) {
	s := c.set
	s.scope.Lock()
	defer s.scope.Unlock()
	return c.search.seeking && !s.scope.Closed(), s.cfg.HealthCheck.SuspectInterval
}

// knockAll knocks on the endpoints without a connection. It returns the checkers of
// the connected ones whose health is known; for the others the first probe is already
// due.
func (c *choice) knockAll() []*checking.Checker {
	s := c.set
	s.scope.Lock()
	defer s.scope.Unlock()
	var checkers []*checking.Checker
	for e := range s.all() {
		e.link.Knock()
		if e.checker != nil && e.health.State != report.HealthUnknown && (e.link.Phase() == machine.Ready || e.target != nil) {
			checkers = append(checkers, e.checker)
		}
	}
	return checkers
}
