package metric

// Kind is the kind of a metric.
type Kind uint8

// The kinds of metrics.
const (
	// Counter only grows.
	Counter Kind = iota
	// Gauge is a current value.
	Gauge
	// Histogram counts the values in each bucket.
	Histogram
)

// Desc describes a metric.
type Desc struct {
	Name, Description string
	// Unit is a unit of UCUM, or what is counted, in braces.
	Unit string
	Kind Kind
	// Float is true if a value need not be whole.
	Float bool
	// Labels are the names of the metric's labels in order, without the Target that
	// those of clients have.
	Labels []string
	// Bounds are the upper bounds of a Histogram's buckets.
	Bounds []float64
	// Only is the one way that has the metric, or empty if both have it.
	Only Way
}

// Way is how a metric is exported.
type Way string

// The two ways, for a metric that has only one: grpc's recorder has no gauge of
// fractions, and the collector has no histogram, since it reads values only from time to
// time.
const (
	Recorder  Way = "recorder"
	Collector Way = "collector"
)

// The labels.
const (
	// Target is the canonical target of the channel, as in grpc's own metrics.
	Target = "grpc.target"
	// Endpoint is an endpoint's name.
	Endpoint = "cantonlb.endpoint"
	// State and Reason are the state and the reason of an endpoint.
	State  = "cantonlb.state"
	Reason = "cantonlb.reason"
	Phase  = "cantonlb.phase"
	// ProbeKind and ProbeResult are the kind and the outcome of a probe.
	ProbeKind   = "cantonlb.probe.kind"
	ProbeResult = "cantonlb.probe.result"
	// Result is "accepted" or "refused".
	Result = "cantonlb.result"
	// Lease is a lease's name, LeaseState the state of the candidate, and LeaseEvent the
	// kind of an event of the candidate.
	Lease      = "cantonlb.lease"
	LeaseState = "cantonlb.lease.state"
	LeaseEvent = "cantonlb.lease.event"
	// Router is the name of a router of shards, Shard that of a shard, ShardState a state of
	// it, and ShardEvent the kind of an event. Standing is what an answer to a look-up says.
	Router     = "cantonlb.router"
	Shard      = "cantonlb.shard"
	ShardState = "cantonlb.shard.state"
	ShardEvent = "cantonlb.shard.event"
	Standing   = "cantonlb.shard.standing"
)

// The units of most metrics.
const (
	calls     = "{call}"
	attempts  = "{attempt}"
	endpoints = "{endpoint}"
	leases    = "{lease}"
	shards    = "{shard}"
)

// The metrics of each endpoint.
var (
	EndpointState = Desc{
		Name: "cantonlb.endpoint.state", Unit: endpoints, Kind: Gauge, Labels: []string{Endpoint, State, Reason},
		Description: "1 for the state in which the endpoint is, with the reason; other states are not reported.",
	}
	EndpointEligible = Desc{
		Name: "cantonlb.endpoint.eligible", Unit: endpoints, Kind: Gauge, Labels: []string{Endpoint},
		Description: "1 if the endpoint may be picked, 0 if not.",
	}
	EndpointInFlight = Desc{
		Name: "cantonlb.endpoint.in_flight", Unit: calls, Kind: Gauge, Labels: []string{Endpoint},
		Description: "Calls on the endpoint that have not ended; a stream counts until it ends.",
	}
	EndpointAnswerAge = Desc{
		Name: "cantonlb.endpoint.answer_age", Unit: "ms", Kind: Gauge, Labels: []string{Endpoint},
		Description: "Time since the endpoint last answered a probe or a call, whatever the answer; not reported before the first answer.",
	}
	EndpointTransitions = Desc{
		Name: "cantonlb.endpoint.transitions", Unit: "{transition}", Labels: []string{Endpoint, State, Reason},
		Description: "Transitions of the endpoint into each state, by the reason.",
	}
	EndpointPicks = Desc{
		Name: "cantonlb.endpoint.picks", Unit: calls, Labels: []string{Endpoint},
		Description: "Attempts of calls that were sent to the endpoint.",
	}
	EndpointFailures = Desc{
		Name: "cantonlb.endpoint.failures", Unit: calls, Labels: []string{Endpoint},
		Description: "Calls that ended with an error that counts against the endpoint, such as UNAVAILABLE.",
	}
	EndpointEjections = Desc{
		Name: "cantonlb.endpoint.ejections", Unit: "{ejection}", Labels: []string{Endpoint},
		Description: "Ejections of the endpoint because its calls failed.",
	}
	EndpointActive = Desc{
		Name: "cantonlb.endpoint.active", Unit: endpoints, Kind: Gauge, Labels: []string{Endpoint},
		Description: "1 if the endpoint is the active one, 0 if it stands by; only with active_passive.",
	}
	EndpointPhase = Desc{
		Name: "cantonlb.endpoint.phase", Unit: endpoints, Kind: Gauge, Labels: []string{Endpoint, Phase},
		Description: "1 for the phase in which the attempt to connect to the endpoint is; not reported if none is under way.",
	}
	Probes = Desc{
		Name: "cantonlb.probes", Unit: "{probe}", Labels: []string{Endpoint, ProbeKind, ProbeResult},
		Description: "Verdicts on the endpoint's health, pushed ones included, by kind and result.",
	}
	ProbeDuration = Desc{
		Name: "cantonlb.probe.duration", Unit: "s", Kind: Histogram, Float: true, Labels: []string{Endpoint, ProbeKind}, Only: Recorder,
		Bounds:      []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5},
		Description: "How long the endpoint took to answer a probe.",
	}
	ProbeRoundTrip = Desc{
		Name: "cantonlb.probe.round_trip", Unit: "s", Kind: Gauge, Float: true, Labels: []string{Endpoint, ProbeKind}, Only: Collector,
		Description: "How long the endpoint took to answer the newest probe.",
	}
)

// The metrics of each client, which means of each channel.
var (
	Listed = Desc{
		Name: "cantonlb.endpoints.listed", Unit: endpoints, Kind: Gauge,
		Description: "Endpoints in the list.",
	}
	Eligible = Desc{
		Name: "cantonlb.endpoints.eligible", Unit: endpoints, Kind: Gauge,
		Description: "Endpoints that may be picked.",
	}
	Leaving = Desc{
		Name: "cantonlb.endpoints.leaving", Unit: endpoints, Kind: Gauge,
		Description: "Endpoints that have left the list and may still be picked, until the list can carry the calls.",
	}
	NoneEligibleEntries = Desc{
		Name: "cantonlb.none_eligible.entries", Unit: "{entry}",
		Description: "Times at which the last eligible endpoint was lost.",
	}
	NoneEligibleTime = Desc{
		Name: "cantonlb.none_eligible.time", Unit: "s", Float: true,
		Description: "Total time during which no endpoint was eligible.",
	}
	ListUpdates = Desc{
		Name: "cantonlb.list.updates", Unit: "{update}", Labels: []string{Result},
		Description: "Lists of endpoints that changed something or came after a refused one, or were refused.",
	}
	ConfigReloads = Desc{
		Name: "cantonlb.config.reloads", Unit: "{reload}", Labels: []string{Result},
		Description: "Changes of the config file that were accepted or refused; only with a config file that is followed.",
	}
	MultipleActive = Desc{
		Name: "cantonlb.endpoints.multiple_active", Unit: endpoints, Kind: Gauge,
		Description: "Endpoints that report that they serve while only one should; 0 unless there are several. Only with active_passive.",
	}
	Switches = Desc{
		Name: "cantonlb.switches", Unit: "{switch}", Labels: []string{Reason},
		Description: "Changes of the active endpoint, the first choice included, by the reason. Only with active_passive.",
	}
	Rescues = Desc{
		Name: "cantonlb.rescues", Unit: calls,
		Description: "Calls in flight on an endpoint that became unhealthy, reissued on another.",
	}
	Retries = Desc{
		Name: "cantonlb.retries", Unit: calls,
		Description: "Calls that failed and were reissued on another endpoint; rescues and grpc's own retries are not included.",
	}
	RetriesRefused = Desc{
		Name: "cantonlb.retries_refused", Unit: calls,
		Description: "Rescues and retries that the retry budget did not allow.",
	}
	Hedges = Desc{
		Name: "cantonlb.hedges", Unit: attempts,
		Description: "Attempts beside another one of the same call that took long; only with hedging.",
	}
	HedgesWon = Desc{
		Name: "cantonlb.hedges_won", Unit: attempts,
		Description: "Hedges that were answered before the attempts that they were made beside.",
	}
	HedgesRefused = Desc{
		Name: "cantonlb.hedges_refused", Unit: attempts,
		Description: "Hedges that the retry budget did not allow.",
	}
)

// The metrics of each lease that the process is a candidate for.
var (
	LeaseCandidate = Desc{
		Name: "cantonlb.lease.candidate", Unit: leases, Kind: Gauge, Labels: []string{Lease, LeaseState}, Only: Collector,
		Description: "1 for the state in which the candidate of this process is; other states are not reported.",
	}
	LeaseHeld = Desc{
		Name: "cantonlb.lease.held", Unit: leases, Kind: Gauge, Labels: []string{Lease}, Only: Collector,
		Description: "1 if this process certainly holds the lease, 0 if not.",
	}
	LeaseLeft = Desc{
		Name: "cantonlb.lease.left", Unit: "s", Kind: Gauge, Float: true, Labels: []string{Lease}, Only: Collector,
		Description: "Time until this process no longer holds the lease if it is not renewed; 0 if it does not hold it.",
	}
	LeaseToken = Desc{
		Name: "cantonlb.lease.token", Unit: "{token}", Kind: Gauge, Labels: []string{Lease}, Only: Collector,
		Description: "The newest fencing token that this process has seen; it grows with each holder.",
	}
	LeaseStuck = Desc{
		Name: "cantonlb.lease.stuck", Unit: leases, Kind: Gauge, Labels: []string{Lease}, Only: Collector,
		Description: "1 while the work of this process has not returned although it should have, 0 otherwise.",
	}
	LeaseStoreFailing = Desc{
		Name: "cantonlb.lease.store_failing", Unit: leases, Kind: Gauge, Labels: []string{Lease}, Only: Collector,
		Description: "1 if the last request of this process to the store has failed, 0 if not.",
	}
	LeaseEvents = Desc{
		Name: "cantonlb.lease.events", Unit: "{event}", Labels: []string{Lease, LeaseEvent, Reason}, Only: Collector,
		Description: "Events of the candidate of this process, by kind and reason.",
	}
)

// The metrics of each router of shards.
var (
	ShardIs = Desc{
		Name: "cantonlb.shard.state", Unit: shards, Kind: Gauge, Labels: []string{Router, Shard, ShardState}, Only: Collector,
		Description: "1 for the state in which the shard is; other states are not reported.",
	}
	ShardRequests = Desc{
		Name: "cantonlb.shard.requests", Unit: calls, Labels: []string{Router, Shard}, Only: Collector,
		Description: "Requests that were routed to the shard.",
	}
	ShardParties = Desc{
		Name: "cantonlb.shard.parties", Unit: "{party}", Kind: Gauge, Labels: []string{Router, Shard}, Only: Collector,
		Description: "Parties that are known to be on the shard.",
	}
	ShardUsers = Desc{
		Name: "cantonlb.shard.users", Unit: "{user}", Kind: Gauge, Labels: []string{Router, Shard}, Only: Collector,
		Description: "Users that are known to be on the shard.",
	}
	ShardLookUps = Desc{
		Name: "cantonlb.shard.look_ups", Unit: "{look_up}", Labels: []string{Router, Shard, Standing}, Only: Collector,
		Description: "Look-ups of a party or a user at the shard, by what it has said; unknown if it has not answered.",
	}
	ShardDiscoveryFailing = Desc{
		Name: "cantonlb.shard.discovery_failing", Unit: shards, Kind: Gauge, Labels: []string{Router, Shard}, Only: Collector,
		Description: "1 if the newest refresh of what is on the shard has failed, 0 if not.",
	}
	ShardEvents = Desc{
		Name: "cantonlb.shard.events", Unit: "{event}", Labels: []string{Router, Shard, ShardEvent}, Only: Collector,
		Description: "Events of the shard, or of all shards if the label is empty, by kind.",
	}
	RouterHits = Desc{
		Name: "cantonlb.router.hits", Unit: calls, Labels: []string{Router}, Only: Collector,
		Description: "Requests of a party or a user whose shard was known.",
	}
	RouterMisses = Desc{
		Name: "cantonlb.router.misses", Unit: calls, Labels: []string{Router}, Only: Collector,
		Description: "Requests of a party or a user that waited for a look-up.",
	}
	RouterRefused = Desc{
		Name: "cantonlb.router.refused", Unit: calls, Labels: []string{Router, Reason}, Only: Collector,
		Description: "Requests that were refused and not sent, by the reason.",
	}
	RouterParties = Desc{
		Name: "cantonlb.router.parties", Unit: "{party}", Kind: Gauge, Labels: []string{Router}, Only: Collector,
		Description: "Parties that are remembered, those that are on no shard included.",
	}
	RouterUsers = Desc{
		Name: "cantonlb.router.users", Unit: "{user}", Kind: Gauge, Labels: []string{Router}, Only: Collector,
		Description: "Users that are remembered, those that are on no shard included.",
	}
	RouterLookUps = Desc{
		Name: "cantonlb.router.look_ups_in_flight", Unit: "{look_up}", Kind: Gauge, Labels: []string{Router}, Only: Collector,
		Description: "Look-ups that are under way.",
	}
	RouterReloads = Desc{
		Name: "cantonlb.router.reloads", Unit: "{reload}", Labels: []string{Router, Result}, Only: Collector,
		Description: "Changes of the config file that were accepted or refused; only with a config file that is followed.",
	}
)

// Shards returns the metrics of routers of shards, in the order of the documentation.
func Shards() []Desc {
	return []Desc{
		ShardIs, ShardRequests, ShardParties, ShardUsers, ShardLookUps, ShardDiscoveryFailing, ShardEvents,
		RouterHits, RouterMisses, RouterRefused, RouterParties, RouterUsers, RouterLookUps, RouterReloads,
	}
}

// Leases returns the metrics of leases, in the order of the documentation.
func Leases() []Desc {
	return []Desc{LeaseCandidate, LeaseHeld, LeaseLeft, LeaseToken, LeaseStuck, LeaseStoreFailing, LeaseEvents}
}

// All returns all metrics of clients, in the order of the documentation.
func All() []Desc {
	return []Desc{
		EndpointState, EndpointEligible, EndpointInFlight, EndpointAnswerAge,
		EndpointTransitions, EndpointPicks, EndpointFailures, EndpointEjections, EndpointActive, EndpointPhase,
		Probes, ProbeDuration, ProbeRoundTrip,
		Listed, Eligible, Leaving, NoneEligibleEntries, NoneEligibleTime, ListUpdates, ConfigReloads,
		MultipleActive, Switches,
		Rescues, Retries, RetriesRefused, Hedges, HedgesWon, HedgesRefused,
	}
}
