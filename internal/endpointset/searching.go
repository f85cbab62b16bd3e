package endpointset

import (
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// search probes all endpoints at once when the active endpoint is in doubt, and
// repeatedly while no endpoint can be picked. Connected endpoints are probed, the
// others are knocked on.
type search struct {
	wanted  selector.Bell // probe all now
	running bool          // the searcher runs, until Close; guarded by the set's lock
	seeking bool          // no endpoint can be picked; guarded by the set's lock
}

// seekingKnock is the pause between knocks on one endpoint while no endpoint can be
// picked, up to a fifth shorter. A replica that refuses connections while it is
// passive is thus found soon after it serves, at the cost of about ten TCP connects
// a second. Probes cost more, so their pauses grow.
const seekingKnock = 100 * time.Millisecond

func newSearch() search { return search{wanted: selector.NewBell()} }

// seek starts or ends the search as required.
func (c *choice) seek() {
	s := c.set
	x := &c.search
	if !x.running && !s.scope.Closed() {
		x.running = true
		s.scope.Go(c.searcher)
	}
	was := x.seeking
	x.seeking = len(s.list) > 0 && !s.pickableLocked()
	if x.seeking && !was {
		x.wanted.Ring()
	}
}

// searcher probes all endpoints when the bell rings, and repeatedly while no endpoint
// can be picked. It has a goroutine of its own because probing takes the locks of
// checkers, one of which may be held where the search starts.
func (c *choice) searcher() {
	s := c.set
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	var probe time.Time // when to probe again
	rounds := 0
	for {
		asked := false
		select {
		case <-s.scope.Context().Done():
			return
		case <-c.search.wanted:
			asked, rounds = true, 0
		case <-timer.C:
		}
		seeking, first := c.seeks()
		if !asked && !seeking {
			continue
		}
		connected := c.knockAll()
		if now := time.Now(); asked || !now.Before(probe) {
			for _, c := range connected { // without the set's lock, which comes after their locks
				c.ProbeNow()
			}
			probe = now.Add(selector.SearchPause(rounds, first, rand.Float64()))
			rounds++
		}
		if seeking {
			knock := seekingKnock - time.Duration(float64(seekingKnock)*link.PauseJitter*rand.Float64())
			timer.Reset(min(time.Until(probe), knock))
		}
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
