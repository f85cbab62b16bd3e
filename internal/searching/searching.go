// Package searching looks for an endpoint that can be picked, under active_passive.
//
// # Why
//
// While a replica takes over, its server may refuse connections or report that it does not
// serve until the very moment when it does. The usual intervals between attempts and probes
// would add to the outage. So all endpoints are probed at once when the active endpoint is in
// doubt, and repeatedly while no endpoint can be picked. Connected endpoints are probed, the
// others are knocked on.
package searching

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/selector"
)

// KnockEvery is the pause between knocks on one endpoint while no endpoint can be picked, up
// to a fifth shorter. A replica that refuses connections while it is passive is thus found
// soon after it serves, at the cost of about ten TCP connects a second. Probes cost more, so
// their pauses grow.
const KnockEvery = 100 * time.Millisecond

// knockJitter is that fifth.
const knockJitter = 0.2

// Searcher probes all endpoints when the bell rings, and repeatedly while no endpoint can be
// picked. No lock is held when its functions are called.
type Searcher struct {
	Wanted selector.Bell
	// Seeks reports whether no endpoint can be picked, and returns the first pause between
	// two rounds of probes.
	Seeks func() (seeking bool, pause time.Duration)
	// Knock knocks on the endpoints without a connection, and returns the checkers of those
	// that can be probed.
	Knock func() []*checking.Checker
}

// Run searches until ctx ends. It needs a goroutine of its own because probing takes the
// locks of checkers, one of which may be held where the search starts.
func (s *Searcher) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	var probe time.Time // when to probe again
	rounds := 0
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-s.Wanted:
			asked, rounds = true, 0
		case <-timer.C:
		}
		seeking, first := s.Seeks()
		if !asked && !seeking {
			continue
		}
		connected := s.Knock()
		if now := time.Now(); asked || !now.Before(probe) {
			for _, c := range connected {
				c.ProbeNow()
			}
			probe = now.Add(selector.SearchPause(rounds, first, rand.Float64()))
			rounds++
		}
		if seeking {
			knock := KnockEvery - time.Duration(float64(KnockEvery)*knockJitter*rand.Float64())
			timer.Reset(min(time.Until(probe), knock))
		}
	}
}
