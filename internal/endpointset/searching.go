package endpointset

import (
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// search asks everybody at once: when the active is in doubt, and again and again
// while nobody can be picked. Who is connected is probed, and at the doors of the
// others somebody knocks.
type search struct {
	wanted  selector.Bell // askServer now
	running bool          // the searcher runs, until Close; guarded by Set.mu
	seeking bool          // nobody can be picked; guarded by Set.mu
}

// seekingKnock is the pause between knocks at one door while nobody can be picked,
// up to a fifth shorter. A replica that refuses connections while it is passive is
// found so soon after it serves, at the cost of a few TCP connects a second. Probes
// cost more, and their pauses grow.
const seekingKnock = 180 * time.Millisecond

func newSearch() search { return search{wanted: selector.NewBell()} }

// seek begins or ends the search, as is due.
func (c *choice) seek() {
	s := c.set
	x := &c.search
	if !x.running && !s.closed {
		x.running = true
		s.wg.Go(c.searcher)
	}
	was := x.seeking
	x.seeking = len(s.list) > 0 && !s.pickableLocked()
	if x.seeking && !was {
		x.wanted.Ring()
	}
}

// searcher asks when it is told to, and goes on while nobody can be picked. It
// has a goroutine of its own because asking takes the locks of checkers, one of
// which may be held where the search begins.
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
		case <-s.ctx.Done():
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
			for _, c := range connected { // without Set.mu, which comes after their locks
				c.ProbeNow()
			}
			probe = now.Add(selector.SearchPause(rounds, first, rand.Float64()))
			rounds++
		}
		if seeking {
			knock := seekingKnock - time.Duration(float64(seekingKnock)*pauseJitter*rand.Float64())
			timer.Reset(min(time.Until(probe), knock))
		}
	}
}

// seeks tells whether the search goes on, and how long its first pause is.
func (c *choice) seeks() (seeking bool, pause time.Duration) {
	s := c.set
	s.mu.Lock()
	defer s.unlock()
	return c.search.seeking && !s.closed, s.cfg.HealthCheck.SuspectInterval
}

// knockAll knocks where there is no connection, and gives the checkers of those
// that have one and of whom anything is known; of the others somebody is about to
// learn it.
func (c *choice) knockAll() []*checking.Checker {
	s := c.set
	s.mu.Lock()
	defer s.unlock()
	var checkers []*checking.Checker
	for _, e := range s.list {
		if e.link.Phase == machine.Waiting && e.knocks == 0 {
			e.knockLocked()
		}
		if e.checker != nil && e.health.State != report.HealthUnknown && (e.link.Phase == machine.Ready || e.target != nil) {
			checkers = append(checkers, e.checker)
		}
	}
	return checkers
}
