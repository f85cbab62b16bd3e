package cantonlb

import (
	"github.com/cantonlb/cantonlb/internal/filestate"
	"github.com/cantonlb/cantonlb/report"
)

// Status is a snapshot of a Client. It is a copy that does not change later. It has
// the Policy, the Target and the State of the channel, the Endpoints in the order of
// the list, Failover with ActivePassive, the client's Zone, Totals, the config File if
// there is one, and Notes on unexpected conditions. Eligible counts the endpoints that
// may be picked, and Endpoint finds one by its name. A Status prints as one line and
// marshals to JSON with words, RFC 3339 times and seconds, as the status page serves
// it.
type Status = report.Status

// EndpointStatus is a snapshot of one endpoint: its identity and settings (Name,
// Address, Weight, Zone, Priority), whether calls go to it (Eligible, FailOpen, Active,
// Drained, Ejected), its state and why (State, Reason, Detail, Since), what its probes
// found (Health, Probe), its connection (Connection, ConnectionError, NextTry, Remote),
// and its counts (Calls, Ejections, Transitions).
type EndpointStatus = report.EndpointStatus

// ProbeStatus reports how an endpoint is probed (On, Target, Watch, Timeout), the last
// verdict (Kind, At, Outcome, Reason and Detail), and when the endpoint last answered
// and how long that took.
type ProbeStatus = report.ProbeStatus

// CallStats counts the calls of an endpoint since it joined the list: Picked were sent
// to it, InFlight of them have not ended, Heard ended with at least one byte of answer,
// and Failed ended with an error that is evidence against the endpoint.
type CallStats = report.CallStats

// FailoverStatus reports the active endpoint of a client with ActivePassive: its name
// (Active) and since when it is active (Since), or why there is none (Lost) and which
// was the last one (Last), the count of Switches and of their Reasons, the name that is
// Pinned, and Multiple, the names of the endpoints that say that they serve if that is
// more than one.
type FailoverStatus = report.FailoverStatus

// TransitionCount counts how often an endpoint entered the state To for a Reason. A
// reason that is not one of report.Reasons counts as report.ReasonOther.
type TransitionCount = report.TransitionCount

// Totals are the counts of a client as a whole: calls that were Rescued and Retried,
// and RetriesRefused by the budget; attempts that were Hedged, HedgesWon and
// HedgesRefused by the budget; how often the last eligible endpoint was lost
// (NoneEligible) and for how long in total no endpoint was eligible (NoneEligibleTime);
// ListsAccepted and ListsRefused.
type Totals = report.Totals

// FileStatus reports the state of the config file of a client: its Path, when the
// content that is in effect was read (LoadedAt), the counts of Reloads and Failures,
// why the newest content is not in effect (Error, FailedAt), and the keys that take
// effect at the next start (Pending).
type FileStatus = report.FileStatus

// HandoverStatus reports why endpoints that have left the list still serve (Reason and
// Detail), and since when the first of them has left it. Status.Leaving lists them.
type HandoverStatus = report.HandoverStatus

// fileNotes returns the notes on all files whose last content stays in effect.
func (c *Client) fileNotes() []string {
	notes := filestate.EndpointNotes(c.creds.Problem, c.list.Endpoints())
	if c.file != nil {
		notes = append(notes, filestate.Lost(c.file.Status().Path)...)
	}
	return notes
}
