package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/connectivity"
)

// Status is a snapshot of a client. It is a copy that does not change later.
type Status struct {
	// At is when the snapshot was taken.
	At time.Time `json:"now,omitzero"`
	// Policy is the name of the load-balancing policy.
	Policy string `json:"policy"`
	// Target is the channel's target in grpc's canonical form. It is the label
	// grpc.target of metrics.
	Target string `json:"target,omitempty"`
	// State is the state of the channel. It is READY if a call would find an endpoint.
	State connectivity.State `json:"-"` // as a word
	// NoneEligibleSince is since when no endpoint is eligible. It is zero if one is
	// eligible, or if that is not decided yet.
	NoneEligibleSince time.Time `json:"noneEligibleSince,omitzero"`
	// Failover reports the active endpoint. It is nil unless the policy is
	// active_passive.
	Failover *FailoverStatus `json:"failover,omitempty"`
	// Zone is the client's zone, or empty if it has none. Spilled is true if calls go
	// to other zones too, because too few endpoints of this zone are eligible.
	Zone    string `json:"zone,omitempty"`
	Spilled bool   `json:"spilled,omitempty"`
	// Totals are the counts of the client as a whole.
	Totals Totals `json:"totals"`
	// File reports the state of the config file. It is nil if the client was not made
	// from one.
	File *FileStatus `json:"file,omitempty"`
	// Notes describe unexpected conditions: checks that are off, probes that are made
	// less often, settings that are not in effect.
	Notes []string `json:"notes,omitempty"`
	// Endpoints are the endpoints in the order of the list.
	Endpoints []EndpointStatus `json:"endpoints"`
	// Leaving are the endpoints that have left the list and serve until the list can
	// carry the calls. Handover reports since when that is so, and why; it is nil if
	// there are none.
	Leaving  []EndpointStatus `json:"leaving,omitempty"`
	Handover *HandoverStatus  `json:"handover,omitempty"`
}

// HandoverStatus reports why endpoints that have left the list still serve.
type HandoverStatus struct {
	// Since is when the first of them left the list.
	Since time.Time `json:"since,omitzero"`
	// Reason is ReasonUndecided while endpoints that have joined the list are being
	// connected and probed, and ReasonNoneEligible if no endpoint of the list can carry
	// the calls. Detail says what is wrong with them.
	Reason Reason `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

// Eligible returns the number of endpoints of the list that may be picked.
func (s Status) Eligible() int { return eligible(s.Endpoints) }

// StillPicked returns the number of endpoints that have left the list and may be
// picked all the same. It is 0 unless there is a Handover.
func (s Status) StillPicked() int { return eligible(s.Leaving) }

func eligible(list []EndpointStatus) int {
	n := 0
	for i := range list {
		if list[i].Eligible {
			n++
		}
	}
	return n
}

// Endpoint returns the status of the endpoint with this name, or false if the list has
// none.
func (s Status) Endpoint(name string) (EndpointStatus, bool) {
	i := slices.IndexFunc(s.Endpoints, func(e EndpointStatus) bool { return e.Name == name })
	if i < 0 {
		return EndpointStatus{}, false
	}
	return s.Endpoints[i], true
}

// maxNamed is how many endpoints the text of a Status names.
const maxNamed = 8

// String returns the status as one line, such as
//
//	1 of 2 endpoints eligible, healthy_round_robin, channel READY: "seq1" healthy (serving), "seq2" unreachable (connect_failed)
//
// It names at most the first 8 endpoints.
func (s Status) String() string {
	line := fmt.Appendf(nil, "%d of %d endpoints eligible", s.Eligible(), len(s.Endpoints))
	if s.Policy != "" {
		line = fmt.Appendf(line, ", %s", s.Policy)
	}
	line = fmt.Appendf(line, ", channel %v", s.State)
	if s.Handover != nil {
		line = fmt.Appendf(line, ", %d that left the list still picked", s.StillPicked())
	}
	if f := s.Failover; f != nil && f.Active != "" {
		line = fmt.Appendf(line, ", active %q", f.Active)
	} else if f != nil {
		line = appendWhy(append(line, ", no active endpoint"...), f.Lost, "")
	}
	for i, e := range s.Endpoints {
		if i == maxNamed {
			return string(fmt.Appendf(line, " and %d more", len(s.Endpoints)-maxNamed))
		}
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		line = append(append(line, separator...), e.String()...)
	}
	return string(line)
}

// EndpointStatus is a snapshot of one endpoint.
type EndpointStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// Weight is the endpoint's share of the calls relative to the others, 1 or more.
	// Zone is its zone, or empty if the list has none. Priority ranks it for
	// active_passive: lower numbers are preferred.
	Weight   int    `json:"weight,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Priority int    `json:"priority,omitempty"`
	// Eligible is true if the endpoint may be picked: it is connected, healthy, and
	// neither drained nor ejected.
	Eligible bool `json:"eligible"`
	// FailOpen is true if the endpoint is picked although it is not eligible, because
	// no endpoint is eligible and the client is configured to fail open.
	FailOpen bool `json:"failOpen,omitempty"`
	// Active is true for the active endpoint, to which calls go. It is false for every
	// endpoint unless the policy is active_passive.
	Active bool `json:"active"`
	// Passive is true if the endpoint is a standby whose state is normal for one while
	// another endpoint is active: it reports that it does not serve or, where the role
	// has such replicas, refuses connections. It needs nobody's attention. It is false
	// for every endpoint unless the policy is active_passive.
	Passive bool `json:"passive,omitempty"`
	// Drained is true if the endpoint was taken out of rotation by hand.
	Drained bool `json:"drained"`
	// Ejected is true if calls on the endpoint failed in a row although its probes
	// passed, and it is not picked for a while, or a single call tests whether it
	// works again.
	Ejected bool `json:"ejected"`

	// State is the state of the endpoint, Reason and Detail are why, and Since is
	// since when.
	State  EndpointState `json:"state"`
	Reason Reason        `json:"reason,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Since  time.Time     `json:"since,omitzero"`
	// LeavingSince is when the endpoint left the list. It is zero for the endpoints of
	// the list.
	LeavingSince time.Time `json:"leavingSince,omitzero"`
	// Health is the result of its probes alone, whatever the other facts are.
	Health HealthState `json:"health"`

	// Connection is READY, CONNECTING, or TRANSIENT_FAILURE until the next attempt,
	// which is due at NextTry. ConnectionError is why there is no connection.
	Connection      connectivity.State `json:"-"` // as a word
	ConnectionError string             `json:"connectionError,omitempty"`
	NextTry         time.Time          `json:"nextTry,omitzero"`
	// Phase is how far the present attempt to connect has come, up to the first
	// verdict of a probe, and PhaseSince is since when. They are empty if no attempt is
	// under way, or if the program's own dialer or credentials do not report it.
	Phase      ConnectPhase `json:"phase,omitempty"`
	PhaseSince time.Time    `json:"phaseSince,omitzero"`
	// Remote is the remote address of the connection, which shows which of a host
	// name's addresses is in use. Behind a proxy it is the endpoint's own host and
	// port. It is empty if there is no connection or if the address is not known.
	Remote string `json:"remote,omitempty"`

	// Probe reports how the endpoint is probed.
	Probe ProbeStatus `json:"probe"`
	// Calls counts the endpoint's calls since it joined the list.
	Calls CallStats `json:"calls"`
	// Heard is when the endpoint last answered a probe or a call, to within a fraction
	// of a second. It is zero if it never has.
	Heard time.Time `json:"heard,omitzero"`

	// Ejections counts the ejections of the endpoint since it joined the list.
	// Transitions counts, for each state and reason, how often it entered the state,
	// in the order of the first occurrence. JSON omits the transitions, since metrics
	// have them.
	Ejections   uint64            `json:"ejections"`
	Transitions []TransitionCount `json:"-"`
}

// Unchecked reports whether the endpoint is healthy only because it is connected: its
// server has no health service, or health checking is off. A server that hangs is then
// found by the silence of its calls alone.
func (e EndpointStatus) Unchecked() bool {
	return e.Health == Healthy && e.State == StateHealthy && (e.Reason == ReasonUnimplemented || e.Reason == ReasonConnected)
}

// String returns the endpoint's state as text, such as
//
//	"seq2" unhealthy (not_serving: in repair)
//
// A detail may hold text of a server, printable and of bounded length.
func (e EndpointStatus) String() string {
	detail := e.Detail
	if detail == "" && e.Connection != connectivity.Ready {
		detail = e.ConnectionError
	}
	line := fmt.Appendf(nil, "%q %s", e.Name, cmp.Or(e.State, StateUnknown))
	return string(appendWhy(line, e.Reason, detail))
}

// CallStats counts the calls of an endpoint since it joined the list.
type CallStats struct {
	// Picked is how many calls were sent to the endpoint, and InFlight is how many of
	// those have not ended.
	Picked   uint64 `json:"picked"`
	InFlight uint64 `json:"inFlight"`
	// Heard is how many ended with at least one byte of answer. Failed is how many
	// ended with an error that is evidence against the endpoint: UNAVAILABLE,
	// DEADLINE_EXCEEDED, INTERNAL or UNKNOWN without a byte of answer, or the answer
	// UNAUTHENTICATED to a call with the endpoint's own token.
	Heard  uint64 `json:"heard"`
	Failed uint64 `json:"failed"`
	// PerSecond is the rate of calls over the last few seconds. A client does not
	// measure it: it is nil except in what the status page serves.
	PerSecond *float64 `json:"perSecond,omitempty"`
}

// TransitionCount counts how often an endpoint entered a state for a reason. A reason
// that is not one of Reasons counts as ReasonOther.
type TransitionCount struct {
	To     EndpointState `json:"to"`
	Reason Reason        `json:"reason,omitempty"`
	Count  uint64        `json:"count"`
}

// FailoverStatus reports the active endpoint of a client with active_passive.
type FailoverStatus struct {
	// Active is the name of the active endpoint, or "" if no endpoint is active, as after
	// Close. Since is since when that is so, or zero if none ever was active.
	Active string    `json:"active"`
	Since  time.Time `json:"since,omitzero"`
	// Lost is why no endpoint is active. It is ReasonNone if one is active, if none
	// ever was, or if one was active until Close.
	Lost Reason `json:"lost,omitempty"`
	// Last is the name of the endpoint that was active last, which may still be
	// active. It is "" before the first choice.
	Last string `json:"last,omitempty"`
	// Switches counts the switches so far, including the first choice. It only grows.
	// It is not a fencing token: each client counts its own switches.
	Switches uint64 `json:"switches"`
	// Reasons counts the switches for each reason. A reason that is not one of Reasons
	// counts as ReasonOther. JSON omits these counts, since metrics have them.
	Reasons map[Reason]uint64 `json:"-"`
	// Pinned is the name of the endpoint that the choice is pinned to, or "" for none.
	Pinned string `json:"pinned,omitempty"`
	// Multiple holds the names of the endpoints that say that they serve, if that is
	// more than one: two replicas are active at once, or overlap during a takeover.
	Multiple []string `json:"multiple,omitempty"`
}

// Totals are the counts of a client as a whole.
type Totals struct {
	// Rescued counts the calls that were canceled on an endpoint that became unhealthy
	// during the call, and Retried counts those that had failed. Both were reissued on
	// another endpoint. RetriesRefused counts how often the retry budget did not allow
	// that. The retries of grpc's own retryPolicy are not counted.
	Rescued        uint64 `json:"rescued"`
	Retried        uint64 `json:"retried"`
	RetriesRefused uint64 `json:"retriesRefused"`
	// Hedged counts attempts beside another one of the same call that took long, and
	// HedgesWon those of them that were answered first. HedgesRefused counts those
	// that the retry budget did not allow.
	Hedged        uint64 `json:"hedged"`
	HedgesWon     uint64 `json:"hedgesWon"`
	HedgesRefused uint64 `json:"hedgesRefused"`
	// NoneEligible counts how often the last eligible endpoint was lost.
	// NoneEligibleTime is for how long in total no endpoint was eligible, up to now.
	NoneEligible     uint64        `json:"noneEligible"`
	NoneEligibleTime time.Duration `json:"-"` // noneEligibleSeconds
	// ListsAccepted counts the lists of endpoints that changed something, including
	// the first, or that came after one that was refused. ListsRefused counts those
	// that were invalid.
	ListsAccepted uint64 `json:"listsAccepted"`
	ListsRefused  uint64 `json:"listsRefused"`
}

// FileStatus reports the state of the config file of a client.
type FileStatus struct {
	Path string `json:"path"`
	// LoadedAt is when the content that is in effect was read.
	LoadedAt time.Time `json:"loadedAt,omitzero"`
	// Reloads counts the contents that took effect since the start, and Failures
	// counts those that did not.
	Reloads  uint64 `json:"reloads"`
	Failures uint64 `json:"failures"`
	// Error is why the newest content is not in effect, and FailedAt is when that was
	// found. They are empty and zero if it is in effect.
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failedAt,omitzero"`
	// Pending are the keys that have changed since the start and take effect at the
	// next one, such as "healthCheck", sorted.
	Pending []string `json:"pending,omitempty"`
}
