package judge

import "github.com/cantonlb/cantonlb/report"

// Why is a reason and its text for people.
type Why struct {
	Reason report.Reason
	Detail string
}

// Facts is all that is known about one endpoint. The zero value describes an endpoint
// that has just joined the list: not connected, and nothing is known.
type Facts struct {
	// Drained reports whether an operator has drained the endpoint.
	Drained bool
	// Membership is whether the endpoint is in the list.
	Membership Membership
	// Link is the phase of the connection. LinkWhy is why there is no connection, once
	// an attempt has failed or a connection was lost.
	Link    Link
	LinkWhy Why
	// Health is what the health target reports.
	Health Health
	// Liveness is whether the peer of the present connection answers. LivenessWhy is
	// why it is not alive.
	Liveness    Liveness
	LivenessWhy Why
	// Evidence is what calls show.
	Evidence Evidence
	// Channel is what grpc's own health check reports on the present connection.
	// ChannelDetail is its text.
	Channel       Channel
	ChannelDetail string
	// Identity is whether the server at the other end is the expected one.
	// IdentityDetail is why it is not, or why that is not known.
	Identity       Identity
	IdentityDetail string
	// Memory is what the last judgement has left behind.
	Memory Memory
}

// Health is what the health target reports, after thresholds.
type Health struct {
	State report.HealthState
	Why
}

// Membership is whether an endpoint is in the list.
type Membership uint8

// The memberships.
const (
	// Listed means that the endpoint is in the list.
	Listed Membership = iota
	// Leaving means that the endpoint has left the list, and serves until those of the
	// new list can.
	Leaving
	// Joining means that the endpoint is to replace one in the list.
	Joining
)

// Link is the phase of an endpoint's connection.
type Link uint8

// The phases of a link.
const (
	// Waiting means that there is no connection, and no attempt until the next one is
	// due.
	Waiting Link = iota
	// Connecting means that an attempt is under way.
	Connecting
	// Connected means that there is a connection.
	Connected
	// Closed means that the endpoint is gone.
	Closed
)

// Liveness is whether the peer of the present connection answers.
type Liveness uint8

// The values of Liveness.
const (
	// Alive means that there is no evidence against the peer.
	Alive Liveness = iota
	// Unproven means that the peer has not answered yet on this connection.
	Unproven
	// Silent means that the peer has not answered when it was asked last.
	Silent
	// Dead means that the peer does not answer.
	Dead
)

// Evidence is what calls show about the endpoint.
type Evidence uint8

// The values of Evidence.
const (
	// Admitted means that calls show nothing against the endpoint.
	Admitted Evidence = iota
	// Ejected means that calls failed in a row.
	Ejected
	// OnTrial means that one call may show whether the endpoint works again.
	OnTrial
)

// Channel is what grpc's own health check reports on the present connection. The
// check runs if the channel has a healthCheckConfig, or a parent policy ejects
// endpoints.
type Channel uint8

// The values of Channel.
const (
	// Unheard means that the check has not reported yet; it does so at once.
	Unheard Channel = iota
	// Pending means that the check has no result yet.
	Pending
	// Passing means that the check has found nothing against the connection.
	Passing
	// Failing means that the connection is not usable.
	Failing
)

// Identity is whether the server at the other end of a connection is the expected
// one.
type Identity uint8

// The values of Identity.
const (
	// Unquestioned means that identities are not validated.
	Unquestioned Identity = iota
	// Asking means that a validation is under way.
	Asking
	// Confirmed means that the server is the expected one.
	Confirmed
	// Unconfirmed means that the validation could not be completed.
	Unconfirmed
	// Mismatch means that the server is another one than expected.
	Mismatch
)

// Memory is what an endpoint's past shows. Each judgement returns the next one.
type Memory struct {
	// Troubled reports that the endpoint has failed to connect or was unhealthy, and
	// has not served since. Calls do not wait for such an endpoint, however often it
	// tries to connect.
	Troubled bool
	// Claims reports that the endpoint last reported that it serves. Being connected
	// is not enough.
	Claims bool
}
