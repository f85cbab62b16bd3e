package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/report"
)

// Condition is one condition that an endpoint must meet to be picked.
type Condition struct {
	// Name is the condition's name: connected, healthy, not ejected, not drained,
	// and where it applies in the zone, or active.
	Name string `json:"name"`
	Met  bool   `json:"met"`
	// Detail says what is known about it. It may contain text from a server.
	Detail string `json:"detail"`
}

// Explanation says why one endpoint is picked or not picked.
type Explanation struct {
	Endpoint string `json:"endpoint"`
	Eligible bool   `json:"eligible"`
	// Picked says that calls go to the endpoint.
	Picked bool `json:"picked"`
	// Answer is the explanation in one sentence.
	Answer     string      `json:"answer"`
	Conditions []Condition `json:"conditions"`
}

// String returns the explanation as lines of plain text.
func (e Explanation) String() string { return e.Text(nil) }

// Text returns the explanation as lines of text. paint, if not nil, returns the
// colour of a condition that is met or not met.
func (e Explanation) Text(paint func(met bool) Paint) string {
	var out strings.Builder
	out.WriteString(e.Answer + "\n")
	rows := make([][]cell, 0, len(e.Conditions))
	for _, c := range e.Conditions {
		met := "yes"
		if !c.Met {
			met = "NO"
		}
		row := plain(" ", met, c.Name, c.Detail)
		if paint != nil {
			row[1].paint = paint(c.Met)
		}
		rows = append(rows, row)
	}
	align(&out, rows)
	return out.String()
}

// Explain returns why the endpoint with this name is picked or not picked. If the list
// has none, it is one that has left it and still serves. Explain returns false if there
// is neither.
func Explain(s report.Status, name string, now time.Time) (Explanation, bool) {
	e, ok := s.Endpoint(name)
	if !ok {
		i := slices.IndexFunc(s.Leaving, func(e report.EndpointStatus) bool { return e.Name == name })
		if i < 0 {
			return Explanation{}, false
		}
		e = s.Leaving[i]
	}
	return ExplainEndpoint(s, e, now), true
}

// ExplainEndpoint returns why an endpoint of s is picked or not picked. It may be one that
// has left the list and has the name of one in the list.
func ExplainEndpoint(s report.Status, e report.EndpointStatus, now time.Time) Explanation {
	out := Explanation{
		Endpoint: e.Name, Eligible: e.Eligible, Picked: e.Eligible,
		Conditions: []Condition{connected(e, now), healthy(e, now), notEjected(e), notDrained(e)},
	}
	if s.Zone != "" {
		out.Conditions = append(out.Conditions, inZone(s, e))
	}
	if s.Failover != nil {
		out.Conditions = append(out.Conditions, active(s, e, now))
	}
	for _, c := range out.Conditions[4:] {
		out.Picked = out.Picked && c.Met
	}
	out.Picked = out.Picked || e.FailOpen
	out.Answer = answer(s, e, out.Picked, now)
	return out
}

func answer(s report.Status, e report.EndpointStatus, picked bool, now time.Time) string {
	switch n := s.Eligible(); {
	case e.FailOpen:
		return ineligible(e, now) + ". But no endpoint is eligible, and with failOpen calls go there anyway."
	case picked && !e.LeavingSince.IsZero():
		return e.Name + " has left the list, and gets calls until an endpoint of the list is eligible."
	case picked && s.Failover != nil:
		return e.Name + " is the active endpoint: all calls go there."
	case picked && n == 1:
		return e.Name + " is the only eligible endpoint: all calls go there."
	case picked:
		return e.Name + " is eligible: it takes its turn with the other eligible endpoints."
	case e.Eligible && s.Failover != nil:
		return fmt.Sprintf("%s is a standby: it is eligible, and %s is active.", e.Name, cmp.Or(s.Failover.Active, "no endpoint"))
	case e.Eligible:
		return fmt.Sprintf("%s is eligible but in another zone: calls stay in zone %q while enough endpoints there are eligible.", e.Name, s.Zone)
	}
	return ineligible(e, now) + "."
}

// ineligible returns the beginning of a sentence that says that an endpoint is not
// eligible, and why.
func ineligible(e report.EndpointStatus, now time.Time) string {
	var why []string
	if e.Reason != report.ReasonNone {
		why = append(why, string(e.Reason))
	}
	if !e.Since.IsZero() {
		why = append(why, "for "+Ago(e.Since, now))
	}
	text := fmt.Sprintf("%s is not eligible: it is %s", e.Name, cmp.Or(string(e.State), "unknown"))
	if len(why) > 0 {
		text += " (" + strings.Join(why, ", ") + ")"
	}
	return text
}

func connected(e report.EndpointStatus, now time.Time) Condition {
	c := Condition{Name: "connected", Met: e.Connection == connectivity.Ready, Detail: "the connection is " + e.Connection.String()}
	if e.ConnectionError != "" {
		c.Detail += ": " + e.ConnectionError
	}
	if phase := Phase(e, now); phase != "" && e.Phase != report.PhaseProbe {
		c.Detail += "; " + phase
	}
	if e.NextTry.After(now) {
		c.Detail += "; next try in " + Span(e.NextTry.Sub(now))
	}
	return c
}

func healthy(e report.EndpointStatus, now time.Time) Condition {
	c := Condition{Name: "healthy", Met: e.Health == report.Healthy || e.Health == report.Suspect}
	p := e.Probe
	switch {
	case !p.On:
		c.Detail = "health checking is off: being connected is enough"
		c.Met = c.Met || e.Connection == connectivity.Ready
	case p.At.IsZero():
		c.Detail = "no probe has ended yet; the probe is " + p.Target
	case e.Unchecked():
		c.Detail = fmt.Sprintf("connected; no health service (%s, %s, %s ago): a server that hangs is found by the silence of its calls alone",
			p.Kind, p.Target, Ago(p.At, now))
	default:
		c.Detail = fmt.Sprintf("%s; the newest probe (%s, %s) said %s", e.Health, p.Kind, p.Target, p.Outcome)
		if p.Reason != report.ReasonNone && string(p.Reason) != string(p.Outcome) {
			c.Detail += " (" + string(p.Reason) + ")"
		}
		if p.Detail != "" {
			c.Detail += ": " + p.Detail
		}
		c.Detail += fmt.Sprintf(", %s ago", Ago(p.At, now))
	}
	return c
}

func notEjected(e report.EndpointStatus) Condition {
	c := Condition{Name: "not ejected", Met: !e.Ejected, Detail: "its calls do not fail in a row"}
	if e.Ejected {
		c.Detail = "its calls failed in a row although its probes pass: it is out for a while, or tried with one call"
	}
	return c
}

// inZone returns whether the zone excludes the endpoint. A zone of which the list
// has no endpoint excludes none, and neither does one of which too few endpoints
// are eligible.
func inZone(s report.Status, e report.EndpointStatus) Condition {
	c := Condition{Name: "in the zone", Met: true, Detail: fmt.Sprintf("the client's is %q", s.Zone)}
	local := slices.ContainsFunc(s.Endpoints, func(e report.EndpointStatus) bool { return e.Zone == s.Zone })
	switch {
	case e.Zone == s.Zone:
	case !local:
		c.Detail += ", of which the list has no endpoint: zones do not matter"
	case s.Spilled:
		c.Detail += ", of which too few are eligible: calls go to all zones"
	default:
		c.Met = false
		c.Detail += fmt.Sprintf(", and the endpoint's %q", e.Zone)
	}
	return c
}

func active(s report.Status, e report.EndpointStatus, now time.Time) Condition {
	return Condition{Name: "active", Met: e.Active, Detail: Active(s, now)}
}

func notDrained(e report.EndpointStatus) Condition {
	c := Condition{Name: "not drained", Met: !e.Drained, Detail: "it has not been drained"}
	if e.Drained {
		c.Detail = "it has been drained by hand; Undrain ends that"
	}
	return c
}
