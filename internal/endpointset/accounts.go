package endpointset

import (
	"time"

	"google.golang.org/grpc/experimental/stats"

	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
)

// books is what a set has counted, and how much of it the metrics have. The set's lock
// guards it, and is held when its methods are called, except Report.
type books struct {
	set        *Set
	totals     report.Totals // without what total adds
	recorded   report.Totals // what the metrics have of them
	progressed time.Time     // when the totals were last updated
	unrecorded bool          // there may be counts that are not recorded
}

// total returns the totals as of now.
func (b *books) total(now time.Time) report.Totals {
	s, t := b.set, b.totals
	retries := s.options.Retries.Totals()
	t.Rescued, t.Retried, t.RetriesRefused = retries.Rescued, retries.Retried, retries.Refused
	t.Hedged, t.HedgesWon, t.HedgesRefused = retries.Hedged, retries.HedgesWon, retries.HedgesRefused
	if !s.pub.none.IsZero() {
		t.NoneEligibleTime += now.Sub(s.pub.none)
	}
	return t
}

// count adds an event to the totals.
func (b *books) count(e report.Event) {
	switch e.To {
	case report.NoneEligible:
		b.totals.NoneEligible++
	case report.SomeEligible:
		b.totals.NoneEligibleTime += e.Held
	case report.ListAccepted:
		b.totals.ListsAccepted++
	case report.ListRefused:
		b.totals.ListsRefused++
	default: // an endpoint's event, which the endpoint counts
	}
}

// progress returns what was counted since the last time.
func (b *books) progress(now time.Time) telling.Progress {
	b.progressed, b.unrecorded = now, false
	totals := b.total(now)
	p := telling.Progress{Totals: telling.Growth(totals, b.recorded)}
	b.recorded = totals
	for e := range b.set.all() {
		e.progressLocked(&p)
	}
	return p
}

// progressLocked adds what an endpoint's calls have counted since the last time.
func (e *endpoint) progressLocked(p *telling.Progress) {
	n := e.countsLocked()
	d := telling.EndpointProgress{Name: e.name, Picks: n.Picked - e.recorded.Picked, Failures: n.Failed - e.recorded.Failed}
	if d.Picks > 0 || d.Failures > 0 {
		e.recorded = n
		p.Endpoints = append(p.Endpoints, d)
	}
}

// recordLocked records what an endpoint's calls have counted. It is for an endpoint
// that leaves the list or has left it.
func (e *endpoint) recordLocked() {
	if e.set.scope.Closed() { // all has then been recorded
		return
	}
	var p telling.Progress
	e.progressLocked(&p)
	e.set.teller.Progress(p)
}

// progressEvery is how often progress is recorded while calls are made, for a recorder
// that does not ask for it.
const progressEvery = time.Second

// record records the progress.
func (b *books) record(now time.Time) { b.set.teller.Progress(b.progress(now)) }

// Report reports the gauges. It implements grpc's stats.AsyncMetricReporter, and takes the
// lock.
func (b *books) Report(r stats.AsyncMetricsRecorder) error {
	s, now := b.set, time.Now()
	s.scope.Lock()
	if s.scope.Closed() {
		s.scope.Unlock()
		return nil
	}
	p := b.progress(now)
	s.scope.Unlock()
	s.teller.Gauges(r, p, s.Status(), now)
	return nil
}
