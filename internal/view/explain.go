package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
)

// Condition is one thing that an endpoint needs in order to be picked.
type Condition struct {
	// Name is the word for it: connected, healthy, not ejected, not drained.
	Name string `json:"name"`
	Met  bool   `json:"met"`
	// Detail says what is known about it. It may hold words of a server.
	Detail string `json:"detail"`
}

// Explanation is why one endpoint is picked, or is not.
type Explanation struct {
	Endpoint string `json:"endpoint"`
	Eligible bool   `json:"eligible"`
	// Answer is the explanation in one sentence.
	Answer     string      `json:"answer"`
	Conditions []Condition `json:"conditions"`
}

// String gives the explanation as lines of text.
func (e Explanation) String() string {
	var out strings.Builder
	out.WriteString(e.Answer + "\n")
	rows := make([][]cell, 0, len(e.Conditions))
	for _, c := range e.Conditions {
		met := "yes"
		if !c.Met {
			met = "NO"
		}
		rows = append(rows, plain(" ", met, c.Name, c.Detail))
	}
	align(&out, rows)
	return out.String()
}

// Explain says why the endpoint with this name is picked, or is not. It is false
// if there is none in the list.
func Explain(s cantonlb.Status, name string, now time.Time) (Explanation, bool) {
	i := slices.IndexFunc(s.Endpoints, func(e cantonlb.EndpointStatus) bool { return e.Name == name })
	if i < 0 {
		return Explanation{}, false
	}
	e := s.Endpoints[i]
	return Explanation{
		Endpoint: e.Name, Eligible: e.Eligible, Answer: answer(s, e, now),
		Conditions: []Condition{connected(e, now), healthy(e, now), notEjected(e), notDrained(e)},
	}, true
}

func answer(s cantonlb.Status, e cantonlb.EndpointStatus, now time.Time) string {
	if e.Eligible {
		if n := s.Eligible(); n > 1 {
			return fmt.Sprintf("%s is eligible: it takes its turn with %d others.", e.Name, n-1)
		}
		return e.Name + " is eligible, as the only one: all calls go there."
	}
	why := []string{}
	if e.Reason != healthcheck.ReasonNone {
		why = append(why, string(e.Reason))
	}
	if !e.Since.IsZero() {
		why = append(why, "for "+Ago(e.Since, now))
	}
	text := fmt.Sprintf("%s is not eligible: it is %s", e.Name, cmp.Or(string(e.State), "unknown"))
	if len(why) > 0 {
		text += " (" + strings.Join(why, ", ") + ")"
	}
	return text + "."
}

func connected(e cantonlb.EndpointStatus, now time.Time) Condition {
	c := Condition{Name: "connected", Met: e.Connection == connectivity.Ready, Detail: "the connection is " + e.Connection.String()}
	if e.ConnectionError != "" {
		c.Detail += ": " + e.ConnectionError
	}
	if e.NextTry.After(now) {
		c.Detail += "; next try in " + Span(e.NextTry.Sub(now))
	}
	return c
}

func healthy(e cantonlb.EndpointStatus, now time.Time) Condition {
	c := Condition{Name: "healthy", Met: e.Health == healthcheck.Healthy || e.Health == healthcheck.Suspect}
	p := e.Probe
	switch {
	case !p.On:
		c.Detail = "health checking is off: being connected is enough"
		c.Met = c.Met || e.Connection == connectivity.Ready
	case p.At.IsZero():
		c.Detail = "no probe has ended yet; asked is " + p.Target
	default:
		c.Detail = fmt.Sprintf("%s; the newest probe (%s, %s) said %s", e.Health, p.Kind, p.Target, p.Outcome)
		if p.Reason != healthcheck.ReasonNone && string(p.Reason) != p.Outcome.String() {
			c.Detail += " (" + string(p.Reason) + ")"
		}
		if p.Detail != "" {
			c.Detail += ": " + p.Detail
		}
		c.Detail += fmt.Sprintf(", %s ago", Ago(p.At, now))
	}
	return c
}

func notEjected(e cantonlb.EndpointStatus) Condition {
	c := Condition{Name: "not ejected", Met: !e.Ejected, Detail: "its calls do not fail in a row"}
	if e.Ejected {
		c.Detail = "its calls failed in a row although its probes pass: it is out for a while, or tried with one call"
	}
	return c
}

func notDrained(e cantonlb.EndpointStatus) Condition {
	c := Condition{Name: "not drained", Met: !e.Drained, Detail: "nobody has taken it out"}
	if e.Drained {
		c.Detail = "it was taken out by hand; Undrain puts it back"
	}
	return c
}
