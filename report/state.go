package report

// EndpointState is the state of an endpoint in one word: the most important of its
// connection, its health, and the decisions about it. The same word is used in errors,
// log lines, metric labels, events and status.
type EndpointState string

// The states of an endpoint. Only StateHealthy and StateSuspect are eligible.
const (
	// StateConnecting means that there is no usable connection yet: the first attempt
	// is under way or has only just succeeded, or a connection was lost and the first
	// attempt to replace it has not ended.
	StateConnecting EndpointState = "connecting"
	// StateUnreachable means that the last attempt to connect has failed, to the
	// endpoint or to the separate address where its health is checked. Further
	// attempts follow; the state stays the same until one of them succeeds.
	StateUnreachable EndpointState = "unreachable"
	// StateUnknown means that the endpoint is connected and its health is not yet
	// known.
	StateUnknown EndpointState = "unknown"
	// StateHealthy means that the endpoint serves.
	StateHealthy EndpointState = "healthy"
	// StateSuspect means that the endpoint served, and that there is evidence against
	// it, but not yet enough.
	StateSuspect EndpointState = "suspect"
	// StateUnhealthy means that the endpoint does not serve.
	StateUnhealthy EndpointState = "unhealthy"
	// StateEjected means that calls on the endpoint failed in a row although its
	// probes pass, so it is not picked for a while.
	StateEjected EndpointState = "ejected"
	// StateDrained means that the endpoint was taken out of rotation by hand.
	StateDrained EndpointState = "drained"
	// StateRemoved means that the endpoint has left the list.
	StateRemoved EndpointState = "removed"
)

// The values of Event.To in events that are not about the state of one endpoint.
const (
	// NoneEligible and SomeEligible are the values for EventNoneEligible.
	NoneEligible EndpointState = "none_eligible"
	SomeEligible EndpointState = "eligible"
	// ListAccepted and ListRefused are the values for EventList.
	ListAccepted EndpointState = "accepted"
	ListRefused  EndpointState = "refused"
	// Pinned and Unpinned are the values for EventPin.
	Pinned   EndpointState = "pinned"
	Unpinned EndpointState = "unpinned"
	// MultipleActive and OneActive are the values for EventMultipleActive.
	MultipleActive EndpointState = "multiple_active"
	OneActive      EndpointState = "one_active"
	// HandoverHeld and HandoverEnded are the values for EventHandover.
	HandoverHeld  EndpointState = "held"
	HandoverEnded EndpointState = "ended"
)

// HealthState is the health of an endpoint: the result of its probes, after thresholds.
type HealthState string

// The states of health. Healthy and Suspect endpoints may be picked.
const (
	// HealthUnknown means that nothing is known since the beginning, or since a new
	// connection was made.
	HealthUnknown HealthState = "unknown"
	// Healthy means that the endpoint serves.
	Healthy HealthState = "healthy"
	// Suspect means that the endpoint was healthy, and that there is evidence against
	// it, but not yet enough. It is still picked, and is probed at once and more often.
	Suspect HealthState = "suspect"
	// Unhealthy means that the endpoint does not serve, or that as many of its probes
	// in a row have failed as the threshold requires.
	Unhealthy HealthState = "unhealthy"
)
