package report

// EndpointState is what an endpoint is, in one word: its connection, its health,
// and what has been decided about it, whichever matters most. The same word stands
// in errors, log lines, metric labels, events and status.
type EndpointState string

// The states of an endpoint. Only StateHealthy and StateSuspect are eligible.
const (
	// StateConnecting: there is no connection yet; one is being made, has only just
	// been made, or the next attempt is waited for.
	StateConnecting EndpointState = "connecting"
	// StateUnknown: connected, and not judged yet.
	StateUnknown EndpointState = "unknown"
	// StateHealthy: it serves.
	StateHealthy EndpointState = "healthy"
	// StateSuspect: it served, and something speaks against it, but not yet enough.
	StateSuspect EndpointState = "suspect"
	// StateUnhealthy: it does not serve.
	StateUnhealthy EndpointState = "unhealthy"
	// StateEjected: its calls failed in a row although its probes pass, so that it
	// is out for a while.
	StateEjected EndpointState = "ejected"
	// StateDrained: it was taken out of rotation by hand.
	StateDrained EndpointState = "drained"
	// StateRemoved: it has left the list.
	StateRemoved EndpointState = "removed"
)

// The words in Event.To of events that are not about the state of one endpoint.
const (
	// NoneEligible and SomeEligible are those of EventNoneEligible.
	NoneEligible EndpointState = "none_eligible"
	SomeEligible EndpointState = "eligible"
	// ListAccepted and ListRefused are those of EventList.
	ListAccepted EndpointState = "accepted"
	ListRefused  EndpointState = "refused"
	// Pinned and Unpinned are those of EventPin.
	Pinned   EndpointState = "pinned"
	Unpinned EndpointState = "unpinned"
	// MultipleActive and OneActive are those of EventMultipleActive.
	MultipleActive EndpointState = "multiple_active"
	OneActive      EndpointState = "one_active"
)

// HealthState is what the probes of an endpoint have found, after thresholds.
type HealthState string

// The states of health. Healthy and Suspect endpoints may be picked.
const (
	// HealthUnknown: nothing has been learnt since the beginning, or since the
	// connection was made anew.
	HealthUnknown HealthState = "unknown"
	// Healthy: the endpoint serves.
	Healthy HealthState = "healthy"
	// Suspect: the endpoint was healthy, and something speaks against it, but not
	// yet enough. It is still picked, and is probed at once and more often.
	Suspect HealthState = "suspect"
	// Unhealthy: the endpoint does not serve, or its probes have failed as many
	// times in a row as the threshold says.
	Unhealthy HealthState = "unhealthy"
)
