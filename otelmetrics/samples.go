package otelmetrics

import (
	"iter"
	"time"

	"github.com/cantonlb/cantonlb/metric"
	"github.com/cantonlb/cantonlb/report"
)

// sample is the value of one series.
type sample struct {
	metric metric.Desc
	value  float64
	labels []string // the values of metric.Labels
}

// samples returns the samples of a status, as of now.
func samples(s report.Status, now time.Time) iter.Seq[sample] {
	return func(yield func(sample) bool) {
		emit := func(d metric.Desc, value float64, labels ...string) bool {
			return yield(sample{metric: d, value: value, labels: labels})
		}
		for _, e := range s.Endpoints {
			if !endpointSamples(e, now, emit) {
				return
			}
		}
		if s.Failover != nil && !failoverSamples(s, emit) {
			return
		}
		if s.File != nil && !fileSamples(*s.File, emit) {
			return
		}
		t := s.Totals
		_ = emit(metric.Listed, float64(len(s.Endpoints))) &&
			emit(metric.Eligible, float64(s.Eligible())) &&
			emit(metric.Leaving, float64(s.StillPicked())) &&
			emit(metric.NoneEligibleEntries, float64(t.NoneEligible)) &&
			emit(metric.NoneEligibleTime, t.NoneEligibleTime.Seconds()) &&
			emit(metric.ListUpdates, float64(t.ListsAccepted), "accepted") &&
			emit(metric.ListUpdates, float64(t.ListsRefused), "refused") &&
			emit(metric.Rescues, float64(t.Rescued)) &&
			emit(metric.Retries, float64(t.Retried)) &&
			emit(metric.RetriesRefused, float64(t.RetriesRefused)) &&
			emit(metric.Hedges, float64(t.Hedged)) &&
			emit(metric.HedgesWon, float64(t.HedgesWon)) &&
			emit(metric.HedgesRefused, float64(t.HedgesRefused))
	}
}

// emitter receives a sample, and reports whether to continue.
type emitter func(d metric.Desc, value float64, labels ...string) bool

func endpointSamples(e report.EndpointStatus, now time.Time, emit emitter) bool {
	more := emit(metric.EndpointState, 1, e.Name, string(e.State), string(e.Reason.Bounded())) &&
		emit(metric.EndpointEligible, oneIf(e.Eligible), e.Name) &&
		emit(metric.EndpointInFlight, float64(e.Calls.InFlight), e.Name) &&
		emit(metric.EndpointPicks, float64(e.Calls.Picked), e.Name) &&
		emit(metric.EndpointFailures, float64(e.Calls.Failed), e.Name) &&
		emit(metric.EndpointEjections, float64(e.Ejections), e.Name)
	for _, t := range e.Transitions {
		more = more && emit(metric.EndpointTransitions, float64(t.Count), e.Name, string(t.To), string(t.Reason))
	}
	for _, v := range e.Probe.Verdicts {
		more = more && emit(metric.Probes, float64(v.Count), e.Name, string(v.Kind), string(v.Outcome))
	}
	if e.Phase != "" {
		more = more && emit(metric.EndpointPhase, 1, e.Name, string(e.Phase))
	}
	if at := e.Heard; !at.IsZero() {
		more = more && emit(metric.EndpointAnswerAge, float64(max(0, now.Sub(at).Milliseconds())), e.Name)
	}
	if took := e.Probe.RoundTrip; took > 0 {
		more = more && emit(metric.ProbeRoundTrip, took.Seconds(), e.Name, string(e.Probe.Kind))
	}
	return more
}

// failoverSamples emits the samples that only clients with active_passive have.
func failoverSamples(s report.Status, emit emitter) bool {
	more := emit(metric.MultipleActive, float64(len(s.Failover.Multiple)))
	for _, e := range s.Endpoints {
		more = more && emit(metric.EndpointActive, oneIf(e.Active), e.Name)
	}
	for reason, n := range s.Failover.Reasons {
		more = more && emit(metric.Switches, float64(n), string(reason))
	}
	return more
}

func fileSamples(f report.FileStatus, emit emitter) bool {
	return emit(metric.ConfigReloads, float64(f.Reloads), "accepted") &&
		emit(metric.ConfigReloads, float64(f.Failures), "refused")
}

// leaseSamples returns the samples of leases, as of now.
func leaseSamples(leases []report.LeaseStatus, now time.Time) iter.Seq[sample] {
	return func(yield func(sample) bool) {
		emit := func(d metric.Desc, value float64, labels ...string) bool {
			return yield(sample{metric: d, value: value, labels: labels})
		}
		for _, l := range leases {
			if !leaseSample(l, now, emit) {
				return
			}
		}
	}
}

func leaseSample(l report.LeaseStatus, now time.Time, emit emitter) bool {
	left := 0.0
	if l.Held {
		left = max(0, l.Until.Sub(now).Seconds())
	}
	more := emit(metric.LeaseCandidate, 1, l.Name, string(l.State)) &&
		emit(metric.LeaseHeld, oneIf(l.Held), l.Name) &&
		emit(metric.LeaseLeft, left, l.Name) &&
		emit(metric.LeaseToken, float64(l.Token), l.Name) &&
		emit(metric.LeaseStuck, oneIf(l.Stuck), l.Name) &&
		emit(metric.LeaseStoreFailing, oneIf(l.StoreFailing), l.Name)
	for _, c := range l.Counts {
		more = more && emit(metric.LeaseEvents, float64(c.Count), l.Name, string(c.Kind), string(c.Reason))
	}
	return more
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
