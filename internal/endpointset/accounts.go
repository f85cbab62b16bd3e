package endpointset

import (
	"time"

	"google.golang.org/grpc/experimental/stats"

	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
)

// counted is what a Set has counted, and what the metrics have of it. Set.mu guards
// it.
type counted struct {
	totals     report.Totals // without what totalsLocked adds
	recorded   report.Totals // what the metrics have of them
	progressed time.Time     // when that was brought up to date
	unrecorded bool          // there may be more of it
}

// totalsLocked gives the accounts as of now.
func (s *Set) totalsLocked(now time.Time) report.Totals {
	t := s.totals
	retries := s.options.Retries.Totals()
	t.Rescued, t.Retried, t.RetriesRefused = retries.Rescued, retries.Retried, retries.Refused
	if !s.pub.none.IsZero() {
		t.NoneEligibleTime += now.Sub(s.pub.none)
	}
	return t
}

// count takes an event into the accounts.
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
	default: // an endpoint, which keeps its own
	}
}

// fewTransitions is how many different ones an endpoint makes that stays healthy.
const fewTransitions = 4

// count takes a transition into the endpoint's accounts.
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

// progressLocked gives what has been counted since the last time.
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

// recordLocked has what an endpoint's calls have counted recorded. It is for one
// that leaves the list, or has left it.
func (e *endpoint) recordLocked() {
	if e.set.closed { // then all has been recorded
		return
	}
	var p telling.Progress
	e.progressLocked(&p)
	e.set.teller.Progress(p)
}

// since returns the part of the totals that grpc's recorder is told now and then.
func since(t, before report.Totals) report.Totals {
	t.NoneEligibleTime -= before.NoneEligibleTime
	t.Rescued -= before.Rescued
	t.Retried -= before.Retried
	t.RetriesRefused -= before.RetriesRefused
	return t
}

// progressEvery is how often progress is recorded while calls are made, so that a
// recorder that never asks has it as well.
const progressEvery = time.Second

// recordProgressLocked has the progress recorded.
func (s *Set) recordProgressLocked(now time.Time) { s.teller.Progress(s.progressLocked(now)) }

// Report tells what is now. It implements grpc's stats.AsyncMetricReporter.
func (s *Set) Report(r stats.AsyncMetricsRecorder) error {
	now := time.Now()
	s.mu.Lock()
	if s.closed {
		s.unlock()
		return nil
	}
	p := s.progressLocked(now)
	s.unlock()
	s.teller.Gauges(r, p, s.Status(), now)
	return nil
}

// CountReloads counts contents of the config file that were put in force, and those
// that were refused. Where a file is followed it is first called with none.
func (s *Set) CountReloads(accepted, refused int64) { s.teller.Reloads(accepted, refused) }
