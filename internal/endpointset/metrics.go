package endpointset

import (
	"time"

	"google.golang.org/grpc/experimental/stats"

	"github.com/cantonlb/cantonlb/metric"
	"github.com/cantonlb/cantonlb/report"
)

// The metrics as grpc's registry has them: every one that goes out by its
// recorder. Importing a policy registers them.
var (
	metricState     = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointState))
	metricEligible  = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointEligible))
	metricInFlight  = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointInFlight))
	metricAnswerAge = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointAnswerAge))
	metricListed    = stats.RegisterInt64AsyncGauge(descriptor(metric.Listed))
	metricEligibles = stats.RegisterInt64AsyncGauge(descriptor(metric.Eligible))
	metricActive    = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointActive))
	metricMultiple  = stats.RegisterInt64AsyncGauge(descriptor(metric.MultipleActive))

	metricTransitions    = stats.RegisterInt64Count(descriptor(metric.EndpointTransitions))
	metricPicks          = stats.RegisterInt64Count(descriptor(metric.EndpointPicks))
	metricFailures       = stats.RegisterInt64Count(descriptor(metric.EndpointFailures))
	metricEjections      = stats.RegisterInt64Count(descriptor(metric.EndpointEjections))
	metricProbes         = stats.RegisterInt64Count(descriptor(metric.Probes))
	metricProbeDuration  = stats.RegisterFloat64Histo(descriptor(metric.ProbeDuration))
	metricNoneEntries    = stats.RegisterInt64Count(descriptor(metric.NoneEligibleEntries))
	metricNoneTime       = stats.RegisterFloat64Count(descriptor(metric.NoneEligibleTime))
	metricListUpdates    = stats.RegisterInt64Count(descriptor(metric.ListUpdates))
	metricConfigReloads  = stats.RegisterInt64Count(descriptor(metric.ConfigReloads))
	metricSwitches       = stats.RegisterInt64Count(descriptor(metric.Switches))
	metricRescues        = stats.RegisterInt64Count(descriptor(metric.Rescues))
	metricRetries        = stats.RegisterInt64Count(descriptor(metric.Retries))
	metricRetriesRefused = stats.RegisterInt64Count(descriptor(metric.RetriesRefused))
)

// asyncMetrics are those that are asked for.
var asyncMetrics = []stats.AsyncMetric{
	metricState, metricEligible, metricInFlight, metricAnswerAge, metricListed, metricEligibles,
	metricActive, metricMultiple,
}

func descriptor(d metric.Desc) stats.MetricDescriptor {
	return stats.MetricDescriptor{
		Name: d.Name, Description: d.Description, Unit: d.Unit, Bounds: d.Bounds, Default: true,
		Labels: append([]string{metric.Target}, d.Labels...),
	}
}

// metrics records the metrics of one set. Its methods are called without Set.mu:
// a recorder is the program's own.
type metrics struct {
	recorder stats.MetricsRecorder
	target   string
}

// begin has the counters begin at zero whose labels are known: an alert sees the
// growth of a counter, and not that there is a new one.
func (m metrics) begin() {
	for _, h := range []*stats.Int64CountHandle{metricNoneEntries, metricRescues, metricRetries, metricRetriesRefused} {
		h.Record(m.recorder, 0, m.target)
	}
	metricNoneTime.Record(m.recorder, 0, m.target)
	for _, result := range []report.EndpointState{report.ListAccepted, report.ListRefused} {
		metricListUpdates.Record(m.recorder, 0, m.target, string(result))
	}
}

// CountReloads counts contents of the config file that were put in force, and those
// that were refused. Where a file is followed it is first called with none.
func (s *Set) CountReloads(accepted, refused int64) {
	metricConfigReloads.Record(s.metrics.recorder, accepted, s.metrics.target, string(report.ListAccepted))
	metricConfigReloads.Record(s.metrics.recorder, refused, s.metrics.target, string(report.ListRefused))
}

// event records an event.
func (m metrics) event(e report.Event) {
	switch e.Kind {
	case report.EventEndpoint:
		metricTransitions.Record(m.recorder, 1, m.target, e.Endpoint, string(e.To), string(e.Reason.Bounded()))
	case report.EventSwitch:
		metricSwitches.Record(m.recorder, 1, m.target, string(e.Reason.Bounded()))
	case report.EventList:
		metricListUpdates.Record(m.recorder, 1, m.target, string(e.To))
	case report.EventNoneEligible:
		if e.To == report.NoneEligible { // its time is recorded as it passes
			metricNoneEntries.Record(m.recorder, 1, m.target)
		}
	case report.EventPin, report.EventMultipleActive: // a gauge tells of what lasts
	}
}

func (m metrics) ejection(endpoint string) {
	metricEjections.Record(m.recorder, 1, m.target, endpoint)
}

// verdict records what a probe has said, and how long that took, if it is known.
func (m metrics) verdict(endpoint string, k report.ProbeKind, o report.Outcome, took time.Duration) {
	metricProbes.Record(m.recorder, 1, m.target, endpoint, string(k), string(o))
	if took > 0 {
		metricProbeDuration.Record(m.recorder, took.Seconds(), m.target, endpoint, string(k))
	}
}

// progress is what has been counted since the last time it was recorded. Calls
// only count, and what they have counted is recorded now and then.
type progress struct {
	endpoints []endpointProgress
	totals    report.Totals
}

type endpointProgress struct {
	name            string
	picks, failures uint64
}

// progressLocked gives what has been counted since the last time.
func (s *Set) progressLocked(now time.Time) progress {
	s.progressed, s.unrecorded = now, false
	totals := s.totalsLocked(now)
	p := progress{totals: since(totals, s.recorded)}
	s.recorded = totals
	for _, e := range s.list {
		p.addLocked(e)
	}
	for _, e := range s.leaving {
		p.addLocked(e)
	}
	return p
}

// addLocked adds what an endpoint's calls have counted since the last time.
func (p *progress) addLocked(e *endpoint) {
	n := e.countsLocked()
	d := endpointProgress{name: e.name, picks: n.Picked - e.recorded.Picked, failures: n.Failed - e.recorded.Failed}
	if d.picks > 0 || d.failures > 0 {
		e.recorded = n
		p.endpoints = append(p.endpoints, d)
	}
}

// recordLocked has what an endpoint's calls have counted recorded. It is for one
// that leaves the list, or has left it.
func (e *endpoint) recordLocked() {
	if e.set.closed { // then all has been recorded
		return
	}
	var p progress
	p.addLocked(e)
	e.set.after = append(e.set.after, func() { e.set.metrics.progress(p) })
}

// since returns the part of the totals that grpc's recorder is told now and then.
func since(t, before report.Totals) report.Totals {
	t.NoneEligibleTime -= before.NoneEligibleTime
	t.Rescued -= before.Rescued
	t.Retried -= before.Retried
	t.RetriesRefused -= before.RetriesRefused
	return t
}

func (m metrics) progress(p progress) {
	for _, e := range p.endpoints {
		m.count(metricPicks, e.picks, e.name)
		m.count(metricFailures, e.failures, e.name)
	}
	if d := p.totals.NoneEligibleTime; d > 0 {
		metricNoneTime.Record(m.recorder, d.Seconds(), m.target)
	}
	m.count(metricRescues, p.totals.Rescued)
	m.count(metricRetries, p.totals.Retried)
	m.count(metricRetriesRefused, p.totals.RetriesRefused)
}

// count records the growth of a counter, if there is any.
func (m metrics) count(h *stats.Int64CountHandle, n uint64, labels ...string) {
	if n > 0 {
		h.Record(m.recorder, int64(n), append([]string{m.target}, labels...)...)
	}
}

// progressEvery is how often progress is recorded while calls are made, so that a
// recorder that never asks has it as well.
const progressEvery = time.Second

// recordProgressLocked has the progress recorded.
func (s *Set) recordProgressLocked(now time.Time) {
	p := s.progressLocked(now)
	s.after = append(s.after, func() { s.metrics.progress(p) })
}

// Report tells what is now. It implements grpc's stats.AsyncMetricReporter.
func (s *Set) Report(r stats.AsyncMetricsRecorder) error {
	now := time.Now()
	s.mu.Lock()
	if s.closed {
		s.unlock()
		return nil
	}
	s.recordProgressLocked(now)
	s.unlock()
	recordStatus(r, s.Status(), s.metrics.target, now)
	return nil
}

func recordStatus(r stats.AsyncMetricsRecorder, s report.Status, target string, now time.Time) {
	eligible := int64(0)
	for _, e := range s.Endpoints {
		metricState.Record(r, 1, target, e.Name, string(e.State), string(e.Reason.Bounded()))
		metricEligible.Record(r, oneIf(e.Eligible), target, e.Name)
		metricInFlight.Record(r, int64(e.Calls.InFlight), target, e.Name)
		if at := e.Heard; !at.IsZero() {
			metricAnswerAge.Record(r, max(0, now.Sub(at).Milliseconds()), target, e.Name)
		}
		eligible += oneIf(e.Eligible)
		if s.Failover != nil {
			metricActive.Record(r, oneIf(e.Active), target, e.Name)
		}
	}
	if s.Failover != nil {
		metricMultiple.Record(r, int64(len(s.Failover.Multiple)), target)
	}
	metricListed.Record(r, int64(len(s.Endpoints)), target)
	metricEligibles.Record(r, eligible, target)
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
