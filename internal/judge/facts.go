package judge

import "github.com/cantonlb/cantonlb/report"

// Why is a reason with its text for people.
type Why struct {
	Reason report.Reason
	Detail string
}

// Facts are all that is known of one endpoint. The zero value is that of an endpoint
// that has just joined the list: not connected, and nothing is known.
type Facts struct {
	// Drained: it was taken out by hand.
	Drained bool
	// Membership is whether it is in the list.
	Membership Membership
	// Link is where its connection is in its life. LinkWhy is why there is none, once
	// an attempt has failed or a connection was lost.
	Link    Link
	LinkWhy Why
	// Health is the first truth.
	Health Health
	// Liveness is the second truth, of the present connection; LivenessWhy is why it
	// is not alive.
	Liveness    Liveness
	LivenessWhy Why
	// Evidence is the third truth.
	Evidence Evidence
	// Channel is what grpc's own health check says on the present connection, and
	// ChannelDetail its words.
	Channel       Channel
	ChannelDetail string
	// Identity is whether the server at the other end is the right one; IdentityDetail
	// is why it is not, or not known to be.
	Identity       Identity
	IdentityDetail string
	// Memory is what the last judgement has left behind.
	Memory Memory
}

// Health is what the health target says, after thresholds.
type Health struct {
	State report.HealthState
	Why
}

// Membership is whether an endpoint is in the list.
type Membership uint8

// The memberships.
const (
	// Listed: it is in the list.
	Listed Membership = iota
	// Leaving: it has left the list, and serves until those of the new list can.
	Leaving
	// Joining: it is to take the place of one in the list.
	Joining
)

// Link is where an endpoint's connection is in its life.
type Link uint8

// The phases of a link.
const (
	// Waiting: there is no connection, and no attempt until the next one is due.
	Waiting Link = iota
	// Connecting: an attempt is under way.
	Connecting
	// Connected: there is a connection.
	Connected
	// Closed: the endpoint is gone.
	Closed
)

// Liveness is whether the peer at the end of the present connection answers.
type Liveness uint8

// The values of Liveness.
const (
	// Alive: nothing speaks against it.
	Alive Liveness = iota
	// Silent: it is being asked.
	Silent
	// Dead: it does not answer.
	Dead
)

// Evidence is what calls say about the endpoint.
type Evidence uint8

// The values of Evidence.
const (
	// Admitted: nothing speaks against it.
	Admitted Evidence = iota
	// Ejected: calls failed in a row.
	Ejected
	// OnTrial: one call may show whether it works again.
	OnTrial
)

// Channel is what grpc's own health check says on the present connection. It runs if
// the channel has a healthCheckConfig, or a parent policy ejects endpoints.
type Channel uint8

// The values of Channel.
const (
	// Unheard: it has not said anything yet; it does at once.
	Unheard Channel = iota
	// Pending: it is still finding out.
	Pending
	// Passing: nothing speaks against the connection.
	Passing
	// Failing: the connection is not usable.
	Failing
)

// Identity is whether the server at the other end of a connection is the right one.
type Identity uint8

// The values of Identity.
const (
	// Unquestioned: nobody asks.
	Unquestioned Identity = iota
	// Asking: it is being asked.
	Asking
	// Confirmed: it is.
	Confirmed
	// Unconfirmed: that could not be found out.
	Unconfirmed
	// Mismatch: it is another one.
	Mismatch
)

// Memory is what an endpoint's past says about it. A judgement has the next one.
type Memory struct {
	// Troubled: it has failed to connect or was unhealthy, and has not served since.
	// Calls do not wait for such an endpoint, however often it tries.
	Troubled bool
	// Claims: its last word was that it serves. Being connected is not enough.
	Claims bool
}
