package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/connectivity"
)

// Status is a snapshot of a client. It is a copy: nothing changes it later.
type Status struct {
	// At is when the snapshot was taken.
	At time.Time `json:"now,omitzero"`
	// Policy is the name of the load-balancing policy.
	Policy string `json:"policy"`
	// Target is the channel's, in grpc's canonical form: metrics have it as the
	// label grpc.target.
	Target string `json:"target,omitempty"`
	// State is that of the channel: READY if a call would find an endpoint.
	State connectivity.State `json:"-"` // as a word
	// NoneEligibleSince is since when no endpoint is eligible; zero if one is,
	// or if that is not decided yet.
	NoneEligibleSince time.Time `json:"noneEligibleSince,omitzero"`
	// Failover tells of the active endpoint; nil unless the policy is
	// active_passive.
	Failover *FailoverStatus `json:"failover,omitempty"`
	// Zone is the client's, empty if it has none. Spilled says that calls go to
	// other zones too, since too few endpoints of this one are eligible.
	Zone    string `json:"zone,omitempty"`
	Spilled bool   `json:"spilled,omitempty"`
	// Totals are the counts of the client as a whole.
	Totals Totals `json:"totals"`
	// File tells of the config file, nil if the client was not made from one.
	File *FileStatus `json:"file,omitempty"`
	// Notes tell what is not as one might expect: checks that are off, probes
	// that are made less often, settings that are not in effect.
	Notes []string `json:"notes,omitempty"`
	// Endpoints are those of the list, in its order.
	Endpoints []EndpointStatus `json:"endpoints"`
}

// Eligible returns the number of endpoints that may be picked.
func (s Status) Eligible() int {
	n := 0
	for i := range s.Endpoints {
		if s.Endpoints[i].Eligible {
			n++
		}
	}
	return n
}

// Endpoint returns the status of the endpoint with this name, and false if the
// list has none.
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
//	1 of 2 endpoints eligible, healthy_round_robin, channel READY: "seq1" healthy (serving), "seq2" connecting (connect_failed)
//
// It names the first 8 endpoints at most.
func (s Status) String() string {
	line := fmt.Appendf(nil, "%d of %d endpoints eligible", s.Eligible(), len(s.Endpoints))
	if s.Policy != "" {
		line = fmt.Appendf(line, ", %s", s.Policy)
	}
	line = fmt.Appendf(line, ", channel %v", s.State)
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
	// Weight is its share of the calls beside the others', 1 or more; Zone is
	// where it stands, empty if the list does not say. Priority ranks it for
	// active_passive: the lower, the more preferred.
	Weight   int    `json:"weight,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Priority int    `json:"priority,omitempty"`
	// Eligible: it may be picked. That takes a connection, health, and being
	// neither drained nor ejected.
	Eligible bool `json:"eligible"`
	// FailOpen: it is picked although it is not eligible, since no endpoint is, and
	// the client is configured to fail open.
	FailOpen bool `json:"failOpen,omitempty"`
	// Active: calls go to it. False for all unless the policy is active_passive.
	Active bool `json:"active"`
	// Drained: it was taken out of rotation by hand.
	Drained bool `json:"drained"`
	// Ejected: its calls failed in a row although its probes passed, and it is out
	// for a while, or one call is to show whether it works again.
	Ejected bool `json:"ejected"`

	// State is what the endpoint is, Reason and Detail why, and Since since when.
	State  EndpointState `json:"state"`
	Reason Reason        `json:"reason,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Since  time.Time     `json:"since,omitzero"`
	// Health is what its probes have found, whatever else there is to say.
	Health HealthState `json:"health"`

	// Connection is READY, CONNECTING, or TRANSIENT_FAILURE while the next
	// attempt, at NextTry, is waited for. ConnectionError is why there is none.
	Connection      connectivity.State `json:"-"` // as a word
	ConnectionError string             `json:"connectionError,omitempty"`
	NextTry         time.Time          `json:"nextTry,omitzero"`
	// Remote is the address at the connection's far end, so which of a host name's
	// addresses is in use. Behind a proxy it is the endpoint's own host and port.
	// Empty if there is no connection or if it is not known.
	Remote string `json:"remote,omitempty"`

	// Probe says how its health is learnt.
	Probe ProbeStatus `json:"probe"`
	// Calls counts its calls since it joined the list.
	Calls CallStats `json:"calls"`
	// Heard is when it last answered a probe or a call, to within a fraction of a
	// second; zero if it never has.
	Heard time.Time `json:"heard,omitzero"`

	// Ejections is how often it was ejected, and Transitions how often it came into
	// which state and why, in order of their first, since it joined the list. JSON
	// leaves out the transitions, as metrics have them.
	Ejections   uint64            `json:"ejections"`
	Transitions []TransitionCount `json:"-"`
}

// String returns the endpoint's state as text, such as
//
//	"seq2" unhealthy (not_serving: in repair)
//
// A detail may hold words of a server, printable ones of bounded length.
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
	// Picked is how many calls were sent to it, InFlight how many of those have not
	// ended.
	Picked   uint64 `json:"picked"`
	InFlight uint64 `json:"inFlight"`
	// Heard is how many ended with at least a byte of answer; Failed how many
	// ended with an error that speaks against the endpoint: UNAVAILABLE,
	// DEADLINE_EXCEEDED, INTERNAL or UNKNOWN without a byte of answer, or an answer
	// UNAUTHENTICATED to a call with the endpoint's own token.
	Heard  uint64 `json:"heard"`
	Failed uint64 `json:"failed"`
	// PerSecond is the rate of calls over the last few seconds. A client does not
	// measure it: it is nil but in what the status page serves.
	PerSecond *float64 `json:"perSecond,omitempty"`
}

// TransitionCount is how often an endpoint came into a state for a reason. A
// reason that is none of Reasons counts as ReasonOther.
type TransitionCount struct {
	To     EndpointState `json:"to"`
	Reason Reason        `json:"reason,omitempty"`
	Count  uint64        `json:"count"`
}

// FailoverStatus tells of the active endpoint of a client with active_passive.
type FailoverStatus struct {
	// Active is its name, "" if no endpoint is active; Since is since when that is
	// so, zero if none ever was.
	Active string    `json:"active"`
	Since  time.Time `json:"since,omitzero"`
	// Lost is why no endpoint is active; ReasonNone if one is, or none ever was.
	Lost Reason `json:"lost,omitempty"`
	// Last is which one was active last, and may be so still; "" before the first
	// choice.
	Last string `json:"last,omitempty"`
	// Switches counts the switches so far, the first choice included. It only
	// grows, and is no fencing token: another client may be at another number.
	Switches uint64 `json:"switches"`
	// Reasons counts the switches for each reason; one that is none of Reasons
	// counts as ReasonOther. JSON leaves them out, as metrics have them.
	Reasons map[Reason]uint64 `json:"-"`
	// Pinned is the name that the choice is pinned to, "" for none.
	Pinned string `json:"pinned,omitempty"`
	// Multiple are the names of those that say that they serve, if that is more
	// than one: two replicas that are active at once, or that a takeover overlaps.
	Multiple []string `json:"multiple,omitempty"`
}

// Totals are the counts of a client as a whole.
type Totals struct {
	// Rescued is how many calls were canceled on an endpoint that became unhealthy
	// under them, Retried how many had failed; both were made again on another
	// endpoint. RetriesRefused is how often the retry budget did not allow that.
	// What grpc's own retryPolicy does is not counted.
	Rescued        uint64 `json:"rescued"`
	Retried        uint64 `json:"retried"`
	RetriesRefused uint64 `json:"retriesRefused"`
	// NoneEligible is how often the last eligible endpoint was lost, and
	// NoneEligibleTime for how long in all none was eligible, up to now.
	NoneEligible     uint64        `json:"noneEligible"`
	NoneEligibleTime time.Duration `json:"-"` // noneEligibleSeconds
	// ListsAccepted are the lists of endpoints that changed something, the first
	// included, and ListsRefused those that were wrong.
	ListsAccepted uint64 `json:"listsAccepted"`
	ListsRefused  uint64 `json:"listsRefused"`
}

// FileStatus tells of the config file of a client.
type FileStatus struct {
	Path string `json:"path"`
	// LoadedAt is when the content that is in effect was read.
	LoadedAt time.Time `json:"loadedAt,omitzero"`
	// Reloads counts the contents that took effect since the start, Failures
	// those that did not.
	Reloads  uint64 `json:"reloads"`
	Failures uint64 `json:"failures"`
	// Error is why the newest content is not in effect, and FailedAt when that was
	// found; empty and zero if it is.
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failedAt,omitzero"`
	// Pending are the keys that have changed since the start and take effect at the
	// next one, such as "healthCheck", sorted.
	Pending []string `json:"pending,omitempty"`
}
