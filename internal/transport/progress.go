package transport

import (
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Progress is how far the newest attempt to connect to an endpoint has come. The dialer
// and the credentials of the channel report it, if they are of this module. The zero
// value knows nothing. It is safe for concurrent use; all methods may be called on nil.
type Progress struct{ newest atomic.Pointer[step] }

// step is a phase and its beginning.
type step struct {
	phase report.ConnectPhase
	since time.Time
	look  LookUp
}

// LookUp is a look-up of a name that has ended well.
type LookUp struct {
	Took  time.Duration
	Ended time.Time // zero if there is none
}

// Enter records that an attempt has entered a phase; an empty one means that nothing is
// known.
func (p *Progress) Enter(phase report.ConnectPhase) {
	if p == nil {
		return
	}
	next := &step{phase: phase, since: time.Now()}
	if before := p.newest.Load(); before != nil && phase != "" {
		next.look = before.look
		if before.phase == report.PhaseLookup {
			next.look = LookUp{next.since.Sub(before.since), next.since}
		}
	}
	p.newest.Store(next)
}

// LookUp returns the last look-up of the attempt, and whether one is under way.
func (p *Progress) LookUp() (last LookUp, underWay bool) {
	if p == nil || p.newest.Load() == nil {
		return LookUp{}, false
	}
	s := p.newest.Load()
	return s.look, s.phase == report.PhaseLookup
}

// Now returns the phase and since when it lasts.
func (p *Progress) Now() (report.ConnectPhase, time.Time) {
	if p == nil || p.newest.Load() == nil {
		return "", time.Time{}
	}
	s := p.newest.Load()
	return s.phase, s.since
}
