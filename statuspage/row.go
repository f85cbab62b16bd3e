package statuspage

import (
	"fmt"
	"strconv"
	"time"

	"github.com/cantonlb/cantonlb/internal/history"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// row is one endpoint as the page shows it. Page.mu guards it.
type row struct {
	spans history.Spans
	use   history.Spans // active or standby, with the policy active_passive
	trips history.Trips
	rate  history.Rate

	facts   facts
	version uint64 // the board's, when the facts last changed
	token   string // of html
	html    string // rendered facts, while there are live viewers; empty until needed
}

// facts holds what a row shows. It is comparable, so that only a row that has
// changed is rendered and sent to the viewers.
type facts struct {
	// ID is the id of the row in the page.
	ID            string
	Name, Address string

	State          report.EndpointState
	Reason, Detail string
	Since          time.Time
	Eligible       bool
	Drained        bool
	// Use is active or standby; it is empty unless the policy is active_passive.
	// Passive is set for a standby whose state is normal for one.
	Use     report.EndpointState
	Passive bool
	Pinned  bool
	// Leaving is set for an endpoint that has left the list and still serves, Replaced if
	// one in the list has its name. Phase is how far an attempt to connect has come.
	Leaving    bool
	Replaced   bool
	Phase      report.ConnectPhase
	PhaseSince time.Time

	Connection, ConnectionError string
	NextTry                     time.Time

	Probed               bool // health checking is on
	Kind, Target         string
	Outcome, ProbeReason string // empty if the probe passed
	Probe                time.Time

	// PerSecond is view.Unknown until two looks have been made.
	PerSecond        string
	InFlight, Failed uint64

	// The pictures change with these fields, and when a new bucket begins.
	end                         time.Time
	lastSpan, lastUse, lastTrip time.Time
	spans                       int
}

func newRow(n int) *row { return &row{facts: facts{ID: "r" + strconv.Itoa(n)}} }

// sample records what the status contains and the events do not.
func (r *row) sample(s *report.Status, e *report.EndpointStatus, now time.Time) {
	if f := s.Failover; f != nil && !f.Since.IsZero() {
		r.use = r.use.Become(history.Span{From: f.Since, State: useOf(s, e)}, now)
	}
	if !e.Since.IsZero() {
		r.spans = r.spans.Add(history.Span{From: e.Since, State: e.State, Reason: e.Reason, Passive: e.Passive}, now)
	}
	r.trips.Add(e.Probe.Answered, e.Probe.RoundTrip)
	r.rate.Add(now, e.Calls.Picked)
}

// The uses of an endpoint with the policy active_passive.
const (
	useActive  report.EndpointState = "active"
	useStandby report.EndpointState = "standby"
)

func useOf(s *report.Status, e *report.EndpointStatus) report.EndpointState {
	switch {
	case s.Failover == nil:
		return ""
	case e.Active:
		return useActive
	default:
		return useStandby
	}
}

// show updates the row from a status. replaced says that e has left the list, in which
// another endpoint has its name.
func (r *row) show(s *report.Status, e *report.EndpointStatus, replaced bool, now time.Time, version uint64) {
	p := &e.Probe
	f := facts{
		ID: r.facts.ID, Name: e.Name, Address: e.Address,
		State: e.State, Reason: string(e.Reason), Detail: e.Detail, Since: e.Since, Eligible: e.Eligible, Drained: e.Drained,
		Connection: e.Connection.String(), ConnectionError: e.ConnectionError, NextTry: e.NextTry,
		Probed: p.On, Kind: string(p.Kind), Target: p.Target, Probe: p.At,
		Leaving: !e.LeavingSince.IsZero(), Replaced: replaced, Phase: e.Phase, PhaseSince: e.PhaseSince,
		PerSecond: view.Unknown, InFlight: e.Calls.InFlight, Failed: e.Calls.Failed,
		end: endOf(now), spans: len(r.spans),
	}
	if !p.At.IsZero() {
		f.Outcome, f.ProbeReason = string(p.Outcome), string(p.Reason)
	}
	if s.Failover != nil {
		f.Use, f.Pinned = useOf(s, e), s.Failover.Pinned == e.Name
		f.Passive = e.Passive
	}
	f.lastTrip, _ = r.trips.Newest()
	if rate, ok := r.rate.PerSecond(); ok {
		f.PerSecond = perSecond(rate) + "/s"
	}
	if n := len(r.spans); n > 0 {
		f.lastSpan = r.spans[n-1].From
	}
	if n := len(r.use); n > 0 {
		f.lastUse = r.use[n-1].From
	}
	if f != r.facts {
		r.facts, r.version, r.html = f, version, ""
	}
}

// endOf returns the right edge of the pictures: the end of the bucket, so that they
// need not be redrawn every second.
func endOf(now time.Time) time.Time {
	return time.Unix(0, (history.BucketOf(now)+1)*int64(history.Bucket))
}

func perSecond(r float64) string {
	if r == 0 || r >= 10 {
		return fmt.Sprintf("%.0f", r)
	}
	return fmt.Sprintf("%.1f", r)
}
