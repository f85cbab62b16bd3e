package endpointset

import (
	"time"

	"google.golang.org/grpc/experimental/stats"

	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
)

// counted is what a Set has counted, and how much of it the metrics have. The set's lock
// guards it.
type counted struct {
	totals     report.Totals // without what totalsLocked adds
	recorded   report.Totals // what the metrics have of them
	progressed time.Time     // when the totals were last updated
	unrecorded bool          // there may be counts that are not recorded
}

// totalsLocked returns the totals as of now.
func (s *Set) totalsLocked(now time.Time) report.Totals {
	t := s.totals
	retries := s.options.Retries.Totals()
	t.Rescued, t.Retried, t.RetriesRefused = retries.Rescued, retries.Retried, retries.Refused
	t.Hedged, t.HedgesWon, t.HedgesRefused = retries.Hedged, retries.HedgesWon, retries.HedgesRefused
	if !s.pub.none.IsZero() {
		t.NoneEligibleTime += now.Sub(s.pub.none)
	}
	return t
}

// count adds an event to the totals.
func (c *counted) count(e report.Event) {
	switch e.To {
	case report.NoneEligible:
		c.totals.NoneEligible++
	case report.SomeEligible:
		c.totals.NoneEligibleTime += e.Held
	case report.ListAccepted:
		c.totals.ListsAccepted++
	case report.ListRefused:
		c.totals.ListsRefused++
	default: // an endpoint's event, which the endpoint counts
	}
}

// fewTransitions is the number of different transitions of an endpoint that stays
// healthy.
const fewTransitions = 4

// count adds a transition to the endpoint's counts.
func (a *accounts) count(to report.EndpointState, reason report.Reason) {
	reason = reason.Bounded()
	for i := range a.transitions {
		if t := &a.transitions[i]; t.To == to && t.Reason == reason {
			t.Count++
			return
		}
	}
	if a.transitions == nil {
		a.transitions = make([]report.TransitionCount, 0, fewTransitions)
	}
	a.transitions = append(a.transitions, report.TransitionCount{To: to, Reason: reason, Count: 1})
}

// progressLocked returns what was counted since the last time.
func (s *Set) progressLocked(now time.Time) telling.Progress {
	s.progressed, s.unrecorded = now, false
	totals := s.totalsLocked(now)
	p := telling.Progress{Totals: since(totals, s.recorded)}
	s.recorded = totals
	for _, e := range s.list {
		e.progressLocked(&p)
	}
	for _, e := range s.handover.old {
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

// since returns the growth of those totals that are recorded periodically.
func since(t, before report.Totals) report.Totals {
	t.NoneEligibleTime -= before.NoneEligibleTime
	t.Rescued -= before.Rescued
	t.Retried -= before.Retried
	t.RetriesRefused -= before.RetriesRefused
	t.Hedged -= before.Hedged
	t.HedgesWon -= before.HedgesWon
	t.HedgesRefused -= before.HedgesRefused
	return t
}

// progressEvery is how often progress is recorded while calls are made, for a recorder
// that does not ask for it.
const progressEvery = time.Second

// recordProgressLocked records the progress.
func (s *Set) recordProgressLocked(now time.Time) { s.teller.Progress(s.progressLocked(now)) }

// Report reports the gauges. It implements grpc's stats.AsyncMetricReporter.
func (s *Set) Report(r stats.AsyncMetricsRecorder) error {
	now := time.Now()
	s.scope.Lock()
	if s.scope.Closed() {
		s.scope.Unlock()
		return nil
	}
	p := s.progressLocked(now)
	s.scope.Unlock()
	s.teller.Gauges(r, p, s.Status(), now)
	return nil
}

// CountReloads counts contents of the config file that were applied, and those that
// were refused. If a file is followed, it is first called with zeros.
func (s *Set) CountReloads(accepted, refused int64) { s.teller.Reloads(accepted, refused) }
