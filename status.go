package cantonlb

import (
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// Status is a snapshot of a Client. It is a copy: nothing changes it later. It has
// the Policy and the Target of the channel and its State, the Endpoints in the order
// of the list, Failover with ActivePassive, the client's Zone, Totals, the config
// File if there is one, and Notes on what is not as one might expect. Eligible
// counts the endpoints that may be picked; Endpoint finds one by its name. It prints
// as one line and marshals to JSON with words, RFC 3339 times and seconds, as the
// status page serves it.
type Status = report.Status

// EndpointStatus is a snapshot of one endpoint: who it is (Name, Address, Weight,
// Zone, Priority), whether calls go to it (Eligible, FailOpen, Active, Drained,
// Ejected), what it is and why (State, Reason, Detail, Since), what its probes found
// (Health, Probe), its connection (Connection, ConnectionError, NextTry, Remote), and
// its counts (Calls, Ejections, Transitions).
type EndpointStatus = report.EndpointStatus

// ProbeStatus says how an endpoint's health is learnt (On, Target, Watch, Timeout),
// and what the last verdict was: Kind, At, Outcome, Reason and Detail, and when the
// endpoint last answered and how long that took.
type ProbeStatus = report.ProbeStatus

// CallStats counts the calls of an endpoint since it joined the list: Picked were
// sent to it, InFlight of them have not ended, Heard ended with at least a byte of
// answer, and Failed ended with an error that speaks against the endpoint.
type CallStats = report.CallStats

// FailoverStatus tells of the active endpoint of a client with ActivePassive: its
// name and Since when, or why there is none (Lost) and which was the Last, the count
// of Switches by their Reasons, the name that is Pinned, and Multiple, the names of
// those that say that they serve if that is more than one.
type FailoverStatus = report.FailoverStatus

// TransitionCount is how often an endpoint came into the state To for a Reason. A
// reason that is none of report.Reasons counts as report.ReasonOther.
type TransitionCount = report.TransitionCount

// Totals are the counts of a client as a whole: calls Rescued and Retried, and
// RetriesRefused by the budget; how often none was eligible (NoneEligible), and for
// how long in all; ListsAccepted and ListsRefused.
type Totals = report.Totals

// FileStatus tells of the config file of a client: its Path, when the content that
// is in effect was read (LoadedAt), the counts of Reloads and Failures, why the newest
// content is not in effect (Error, FailedAt), and the keys that take effect at the
// next start (Pending).
type FileStatus = report.FileStatus

// maxFileNotes bounds how many endpoints are named whose files are no good.
const maxFileNotes = 10

// fileNotes tells of the files that have changed to something that cannot be used.
func fileNotes(creds *transport.Credentials, list []Endpoint) []string {
	var notes []string
	more := 0
	for _, e := range list {
		switch err := creds.Problem(e); {
		case err == nil:
		case len(notes) == maxFileNotes:
			more++
		default:
			notes = append(notes, fmt.Sprintf("endpoint %q: what its files held before is still in force: %s",
				e.Name, cleantext.Detail(err.Error())))
		}
	}
	if more > 0 {
		notes = append(notes, fmt.Sprintf("so it is with %d endpoints more", more))
	}
	return notes
}
