package cantonlb

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// Status is a snapshot of a Client. It is a copy: nothing changes it later.
type Status struct {
	// Policy is the name of the load-balancing policy.
	Policy string
	// Target is the channel's, in grpc's canonical form: metrics have it as the
	// label grpc.target.
	Target string
	// State is that of the channel: READY if a call would find an endpoint.
	State connectivity.State
	// Endpoints are those of the list, in its order.
	Endpoints []EndpointStatus
	// Failover tells of the active; nil unless the policy is ActivePassive.
	Failover *FailoverStatus
	// NoneEligibleSince is since when no endpoint is eligible; zero if one is,
	// or if that is not decided yet.
	NoneEligibleSince time.Time
	// Zone is the client's, empty if it has none. Spilled tells that calls go to
	// other zones too, since too few endpoints of this one are eligible.
	Zone    string
	Spilled bool
	// Totals are the accounts of the client as a whole.
	Totals Totals
	// File tells of the config file, nil if the client was not made from one.
	File *FileStatus
	// Notes tell what is not as one might think: checks that are off, probes
	// that are stretched, settings that are not in force.
	Notes []string
}

// Eligible gives the number of endpoints that may be picked.
func (s Status) Eligible() int {
	n := 0
	for _, e := range s.Endpoints {
		if e.Eligible {
			n++
		}
	}
	return n
}

// EndpointStatus is a snapshot of one endpoint.
type EndpointStatus struct {
	Name, Address string
	// Weight is its share of the calls beside the others', 1 or more; Zone is
	// where it stands, empty if the list does not say.
	Weight int
	Zone   string
	// Eligible: it may be picked. That takes a connection, health, and being
	// neither drained nor ejected.
	Eligible bool
	// FailOpen: calls go to it although it is not eligible, since no endpoint is and
	// Config.NoneEligible is FailOpen.
	FailOpen bool
	Drained  bool
	// Active: calls go to it. False for all unless the policy is ActivePassive.
	Active   bool
	Priority int
	// Ejected: its calls failed in a row although its probes passed, and it is out
	// for a while, or one call is to show whether it works again.
	Ejected bool

	// State is what the endpoint is, Reason and Detail why, and Since since when.
	State  State
	Reason healthcheck.Reason
	Detail string
	Since  time.Time
	// Health is what its probes have found, whatever else there is to say.
	Health healthcheck.State

	// Connection is READY, CONNECTING, or TRANSIENT_FAILURE while the next
	// attempt, at NextTry, is waited for. ConnectionError is why there is none.
	Connection      connectivity.State
	ConnectionError string
	NextTry         time.Time
	// Remote is the address at the connection's far end, so which of a host name's
	// addresses is in use. Behind a proxy it is the endpoint's own host and port.
	// Empty if there is no connection or if it is not known.
	Remote string

	Probe ProbeStatus
	Calls Calls
	// Heard is when it last answered a probe or a call, to within a fraction of a
	// second; zero if it never has.
	Heard time.Time

	// Transitions are how often it came into which state and why, in order of
	// their first, and Ejections how often it was ejected, since it joined the list.
	Transitions []TransitionCount
	Ejections   uint64
}

// ProbeStatus tells how an endpoint's health is learnt, and when it last was.
type ProbeStatus struct {
	// On is false if health checking is disabled, so that a connection is all
	// that counts.
	On bool
	// Target says what is asked, and where.
	Target string
	// Kind is the way in which the last verdict came, At when it came, and
	// Outcome, Reason and Detail what it was. At is zero if there is none yet.
	Kind    healthcheck.Kind
	At      time.Time
	Outcome healthcheck.Outcome
	Reason  healthcheck.Reason
	Detail  string
	// Answered is when the endpoint itself last answered a probe, whatever it
	// said, and RoundTrip how long it took (0 if it was pushed).
	Answered  time.Time
	RoundTrip time.Duration
	// Watch says how the push of changes is doing.
	Watch healthcheck.WatchState
	// Checks counts the probes made besides, Timeout is the deadline of the next.
	Checks  uint64
	Timeout time.Duration
	// Verdicts counts what the probes have said, pushes included, in order of the
	// first of each.
	Verdicts []healthcheck.VerdictCount
}

// Calls are the accounts of an endpoint's calls since it joined the list.
type Calls struct {
	// Picked is how many calls it was given, InFlight how many of those have not
	// ended.
	Picked, InFlight uint64
	// Heard is how many ended with at least a byte of answer; Failed how many
	// ended with an error that speaks against the endpoint: UNAVAILABLE,
	// DEADLINE_EXCEEDED, INTERNAL or UNKNOWN without a byte of answer, or an answer
	// UNAUTHENTICATED to a call with the endpoint's own token.
	Heard, Failed uint64
}

func newStatus(state connectivity.State, s endpointset.Status) Status {
	out := Status{Policy: s.Policy, Target: s.Target, State: state, NoneEligibleSince: s.NoneSince, Zone: s.Zone, Spilled: s.Spilled}
	out.Totals = newTotals(s.Totals)
	if s.Failover != nil {
		f := FailoverStatus(*s.Failover)
		out.Failover = &f
	}
	out.Endpoints = make([]EndpointStatus, 0, len(s.Endpoints))
	checked, open := true, 0
	for _, e := range s.Endpoints {
		out.Endpoints = append(out.Endpoints, newEndpointStatus(e))
		checked = checked && e.Checked
		if e.FailOpen {
			open++
		}
	}
	if !checked {
		out.Notes = append(out.Notes, "health checking is disabled: every endpoint that is connected counts as healthy")
	}
	if open > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("no endpoint is eligible: calls go to %d of them all the same (failOpen)", open))
	}
	if f := s.Failover; f != nil && f.Multiple != nil {
		out.Notes = append(out.Notes, "several endpoints say that they serve, of which one at a time should: "+
			healthcheck.CleanDetail(strings.Join(f.Multiple, ", ")))
	}
	if s.ProbesStretched {
		out.Notes = append(out.Notes, "the probes exceed their budget: they are made less often than configured")
	}
	if s.Zone != "" && s.Local == 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("no endpoint of the list is in zone %q: zones do not matter", s.Zone))
	}
	if s.Spilled {
		out.Notes = append(out.Notes, fmt.Sprintf("too few endpoints of zone %q are eligible: calls go to all zones", s.Zone))
	}
	if s.ListError != nil {
		out.Notes = append(out.Notes, "the newest list is not in force: "+healthcheck.CleanDetail(s.ListError.Error()))
	}
	return out
}

func newEndpointStatus(e endpointset.EndpointStatus) EndpointStatus {
	last := e.Checker.Last
	out := EndpointStatus{
		Name: e.Name, Address: e.Address, Weight: e.Weight, Zone: e.Zone, Priority: e.Priority,
		Eligible: e.Eligible, FailOpen: e.FailOpen, Drained: e.Drained, Ejected: e.Ejected, Active: e.Active,
		State: State(e.State), Reason: e.Reason, Detail: e.Detail, Since: e.Since, Health: e.Health,
		Connection: e.Connection, ConnectionError: e.ConnectionErr, NextTry: e.NextTry, Remote: e.Remote,
		Probe: ProbeStatus{
			On: e.Checked, Target: e.Target, Kind: last.Kind, At: last.At,
			Outcome: last.Verdict.Outcome, Reason: last.Verdict.Reason, Detail: last.Verdict.Detail,
			Answered: last.Answered, RoundTrip: last.RoundTrip,
			Watch: e.Checker.Watch, Checks: e.Checker.Probes, Timeout: e.Checker.Timeout, Verdicts: e.Checker.Verdicts,
		},
		Calls:       Calls(e.Counts),
		Heard:       e.Heard,
		Transitions: newTransitions(e.Transitions), Ejections: e.Ejections,
	}
	if !e.Checked {
		out.Probe.Kind = healthcheck.KindConnectivity
	}
	return out
}

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
				e.Name, healthcheck.CleanDetail(err.Error())))
		}
	}
	if more > 0 {
		notes = append(notes, fmt.Sprintf("so it is with %d endpoints more", more))
	}
	return notes
}
