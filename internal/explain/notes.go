package explain

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// Remarks is what the notes of a status report and no field does.
type Remarks struct {
	// Local is how many endpoints of the list are in the client's zone.
	Local int
	// ListError is what is wrong with the newest list, which is not in effect.
	ListError error
	// Unread is how many connections there are whose frames cannot be read.
	Unread int
	// Stretched reports that the probes exceed their budget.
	Stretched bool
}

// Notes returns the notes of a status.
func (r Remarks) Notes(s report.Status) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	off, open, unsent := 0, 0, 0
	var unchecked []string
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		if !e.Probe.On {
			off++
		}
		if e.FailOpen {
			open++
		}
		if e.Probe.Reason == report.ReasonCredentialsFailed && e.Probe.Outcome == report.Inconclusive {
			unsent++
		}
		if e.Probe.On && e.Unchecked() {
			unchecked = append(unchecked, e.Name)
		}
	}
	if off > 0 {
		note("health checking is disabled: every endpoint that is connected counts as healthy")
	}
	if unsent > 0 {
		note("the call credentials of the channel fail, so %d endpoints cannot be probed", unsent)
	}
	if len(unchecked) > 0 {
		note("no health service: of %s only the connection is checked. Probe another port or an HTTP page, or set onUnimplemented to unhealthy",
			cleantext.Detail(strings.Join(unchecked, ", ")))
	}
	if open > 0 {
		note("no endpoint is eligible: calls go to %d of them all the same (failOpen)", open)
	}
	if s.Failover != nil && s.Failover.Multiple != nil {
		note("several endpoints say that they serve, of which one at a time should: %s",
			cleantext.Detail(strings.Join(s.Failover.Multiple, ", ")))
	}
	if r.Unread > 0 {
		note("the frames of %d connections cannot be read, since the channel's transport credentials are not those of cantonlb: "+
			"see the limits in docs/liveness.md", r.Unread)
	}
	if r.Stretched {
		note("the probes exceed their budget: they are made less often than configured")
	}
	if s.Zone != "" && r.Local == 0 {
		note("no endpoint of the list is in zone %q: zones do not matter", s.Zone)
	}
	if s.Spilled {
		note("too few endpoints of zone %q are eligible: calls go to all zones", s.Zone)
	}
	if h := s.Handover; h != nil && h.Reason == report.ReasonNoneEligible {
		note("no endpoint of the list can carry the calls: %d that have left the list are kept until one can: %s",
			len(s.Leaving), cleantext.Detail(h.Detail))
	}
	if r.ListError != nil {
		note("the newest list is not in effect: %s", cleantext.Detail(r.ListError.Error()))
	}
	return notes
}
