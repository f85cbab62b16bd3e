package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// NoEligibleError explains why no endpoint may be picked. It is the plain error that
// a picker returns.
type NoEligibleError struct {
	// Of is the length of the list. Endpoints explains the first few of its endpoints.
	Of        int
	Endpoints []report.IneligibleEndpoint
	// More is the number of further endpoints that are not eligible.
	More int
	// Pinned is the only endpoint that may be picked; "" if no endpoint is pinned.
	Pinned string
	// Resolver is the last error of the resolver; empty if there is none.
	Resolver string
}

// Error returns one line, of bounded length.
func (n *NoEligibleError) Error() string {
	return fmt.Sprintf("no eligible endpoint of %d: %s", n.Of, n.Reasons())
}

// Reasons returns the part of the text after the count: why no endpoint is eligible.
func (n *NoEligibleError) Reasons() string {
	var b strings.Builder
	for i, e := range n.Endpoints {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(ineligibleText(e))
	}
	if n.More > 0 {
		fmt.Fprintf(&b, " and %d more", n.More)
	}
	if n.Of == 0 {
		b.WriteString("the list is empty")
	}
	if n.Pinned != "" {
		fmt.Fprintf(&b, "; the active endpoint is pinned to %s", cleantext.Detail(n.Pinned))
	}
	if n.Resolver != "" {
		b.WriteString("; the resolver: " + n.Resolver)
	}
	return b.String()
}

// ineligibleText returns, for example, `seq1 unhealthy (not_serving, 12s)`.
func ineligibleText(e report.IneligibleEndpoint) string {
	var facts []string
	switch {
	case e.Phase != "":
		facts = append(facts, e.Phase.Waits())
	case e.Reason != report.ReasonNone:
		facts = append(facts, string(e.Reason))
	}
	if e.For > 0 {
		facts = append(facts, Roughly(e.For))
	}
	text := strings.Join(facts, ", ")
	if e.Detail != "" {
		if text != "" {
			text += ": "
		}
		text += e.Detail
	}
	if e.NextTry > 0 {
		text += "; next try in " + Roughly(e.NextTry)
	}
	name := cleantext.Detail(e.Name) // a foreign resolver may use any name
	if text == "" {
		return name + " " + string(e.State)
	}
	return fmt.Sprintf("%s %s (%s)", name, e.State, text)
}

// Roughly returns a duration as text, rounded for people.
func Roughly(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}
