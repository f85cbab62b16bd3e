package telling

import (
	"time"

	"google.golang.org/grpc/experimental/stats"

	"github.com/cantonlb/cantonlb/metric"
	"github.com/cantonlb/cantonlb/report"
)

// The metrics as registered with grpc: all that are recorded through its recorder.
// Importing a policy registers them.
var (
	metricState     = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointState))
	metricEligible  = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointEligible))
	metricInFlight  = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointInFlight))
	metricAnswerAge = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointAnswerAge))
	metricListed    = stats.RegisterInt64AsyncGauge(descriptor(metric.Listed))
	metricEligibles = stats.RegisterInt64AsyncGauge(descriptor(metric.Eligible))
	metricLeaving   = stats.RegisterInt64AsyncGauge(descriptor(metric.Leaving))
	metricPhase     = stats.RegisterInt64AsyncGauge(descriptor(metric.EndpointPhase))
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
	metricHedges         = stats.RegisterInt64Count(descriptor(metric.Hedges))
	metricHedgesWon      = stats.RegisterInt64Count(descriptor(metric.HedgesWon))
	metricHedgesRefused  = stats.RegisterInt64Count(descriptor(metric.HedgesRefused))
)

// asyncMetrics are the metrics that the recorder asks for.
var asyncMetrics = []stats.AsyncMetric{
	metricState, metricEligible, metricInFlight, metricAnswerAge, metricListed, metricEligibles,
	metricLeaving, metricPhase, metricActive, metricMultiple,
}

func descriptor(d metric.Desc) stats.MetricDescriptor {
	return stats.MetricDescriptor{
		Name: d.Name, Description: d.Description, Unit: d.Unit, Bounds: d.Bounds, Default: true,
		Labels: append([]string{metric.Target}, d.Labels...),
	}
}

// metrics records the metrics of one set. Its methods call the recorder, which is code
// of the program.
type metrics struct {
	recorder stats.MetricsRecorder
	target   string
}

// begin records zero for the counters whose labels are known: an alert detects the
// growth of a counter, but not its first appearance.
func (m metrics) begin() {
	for _, h := range []*stats.Int64CountHandle{
		metricNoneEntries, metricRescues, metricRetries, metricRetriesRefused, metricHedges, metricHedgesWon, metricHedgesRefused,
	} {
		h.Record(m.recorder, 0, m.target)
	}
	metricNoneTime.Record(m.recorder, 0, m.target)
	for _, result := range []report.EndpointState{report.ListAccepted, report.ListRefused} {
		metricListUpdates.Record(m.recorder, 0, m.target, string(result))
	}
}

func (m metrics) reloads(accepted, refused int64) {
	metricConfigReloads.Record(m.recorder, accepted, m.target, string(report.ListAccepted))
	metricConfigReloads.Record(m.recorder, refused, m.target, string(report.ListRefused))
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
	case report.EventPin, report.EventMultipleActive, report.EventHandover: // a gauge reports these states
	}
}

func (m metrics) ejection(endpoint string) {
	metricEjections.Record(m.recorder, 1, m.target, endpoint)
}

// verdict records the verdict of a probe, and how long the probe took, if that is
// known.
func (m metrics) verdict(endpoint string, k report.ProbeKind, o report.Outcome, took time.Duration) {
	metricProbes.Record(m.recorder, 1, m.target, endpoint, string(k), string(o))
	if took > 0 {
		metricProbeDuration.Record(m.recorder, took.Seconds(), m.target, endpoint, string(k))
	}
}

// Progress is what was counted since it was last reported. Calls only count; the
// counts are reported from time to time.
type Progress struct {
	Endpoints []EndpointProgress
	// Totals has the growth of NoneEligibleTime and of the counts of rescues, retries
	// and hedges.
	Totals report.Totals
}

// EndpointProgress is what the calls of one endpoint have counted.
type EndpointProgress struct {
	Name            string
	Picks, Failures uint64
}

func (m metrics) progress(p Progress) {
	for _, e := range p.Endpoints {
		m.count(metricPicks, e.Picks, e.Name)
		m.count(metricFailures, e.Failures, e.Name)
	}
	if d := p.Totals.NoneEligibleTime; d > 0 {
		metricNoneTime.Record(m.recorder, d.Seconds(), m.target)
	}
	m.count(metricRescues, p.Totals.Rescued)
	m.count(metricRetries, p.Totals.Retried)
	m.count(metricRetriesRefused, p.Totals.RetriesRefused)
	m.count(metricHedges, p.Totals.Hedged)
	m.count(metricHedgesWon, p.Totals.HedgesWon)
	m.count(metricHedgesRefused, p.Totals.HedgesRefused)
}

// count records the growth of a counter, if there is any.
func (m metrics) count(h *stats.Int64CountHandle, n uint64, labels ...string) {
	if n > 0 {
		h.Record(m.recorder, int64(n), append([]string{m.target}, labels...)...)
	}
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
		if e.Phase != "" {
			metricPhase.Record(r, 1, target, e.Name, string(e.Phase))
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
	metricLeaving.Record(r, int64(s.StillPicked()), target)
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
