package cantonlb

import (
	"context"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Config holds the endpoints and settings of a client. The zero value of every field
// except Endpoints means the default that its comment states.
type Config struct {
	// Name is the name of the client in logs and metrics. It becomes the channel's
	// target static:///name, which is the label grpc.target of metrics. Clients of
	// one program need different names, so that metrics distinguish them. Up to 64
	// letters, digits, dots, dashes and underscores. Default: the role, or
	// "endpoints" for Generic.
	Name string

	// Endpoints is the static list of the copies of one logical service, at least
	// one. Client.Update changes it later.
	Endpoints []Endpoint

	// Role is the kind of node that the endpoints are. It sets the defaults of
	// Policy, HealthCheck and NoneEligible. Default Generic.
	Role Role

	// Policy is how calls are distributed. Default: that of the role, which is
	// ActivePassive for participants, mediators and domain managers, and
	// HealthyRoundRobin for others.
	Policy Policy

	// Failover holds the settings of ActivePassive. With another policy it is an
	// error to set any of them.
	Failover Failover

	// HealthCheck is how the endpoints are probed. The role sets the default of its
	// Service; the type HealthCheck documents the other defaults.
	HealthCheck HealthCheck

	// Ejection sets when an endpoint whose calls fail is ejected although its probes
	// pass. The last eligible endpoint is never ejected, and never more than half of
	// the list. NotFound and other answers of a working server do not count.
	Ejection Ejection

	// NoneEligible sets what happens to calls while no endpoint is eligible. Default:
	// that of the role, which is Wait for participants, mediators and domain managers,
	// whose takeovers can last 30 s and more, and FailFast for others.
	NoneEligible NoneEligible

	// Handover sets what happens to the endpoints that a new list does not have.
	// Default HandoverKeep: they serve on until the new list can carry the calls, so a
	// list of servers that do not work is not an outage. A healthy endpoint that was
	// taken off the list thus keeps its traffic while no endpoint of the list works;
	// Status.Leaving, a note and a warning in the log say so.
	Handover Handover

	// StreamDrain is how long streams may continue on an endpoint that is drained,
	// unhealthy or no longer in the list, so that they move to another one: then they
	// end with a *MovedError, which is UNAVAILABLE. Unary calls may finish. Streams on an
	// unhealthy endpoint continue while no other is eligible. At most 24 h. With
	// ActivePassive it is an error to set it: Failover.Drain has that purpose. Default 0:
	// streams continue until they end.
	StreamDrain time.Duration

	// Validate, if not nil, checks whether the server at the other end of each new
	// connection is the expected one, before any call is sent to it. cc is that
	// connection: calls on it go to that server alone and carry the endpoint's token.
	// ctx ends after 5 s. After ValidationMismatch the endpoint is not picked, with
	// the reason identity_mismatch, and Validate is called again after 10 s to 1 min.
	// After ValidationRetry it is called again after 0.1 s to 10 s, and as soon as the
	// endpoint becomes healthy. Validate is called from many goroutines, and must
	// return when ctx ends. Package cantonid implements it for Canton. On a plain
	// channel (DialOptions) it needs Endpoints. Default nil: identities are not
	// checked.
	Validate func(ctx context.Context, cc grpc.ClientConnInterface, e Endpoint) Validation

	// DeadAfter is how long a connection may go without an answer to a probe or a
	// call before it is closed. Then the calls in flight on it fail with UNAVAILABLE. The connection of an endpoint that answers is never
	// closed. Default 3 s, at most 24 h.
	DeadAfter time.Duration

	// Zone is the zone of this client, as in Endpoint.Zone. If it is set, calls go
	// only to endpoints of this zone while at least the share SpillBelow of them is
	// eligible. If fewer are, calls go to the eligible endpoints of all zones. A call
	// that has tried all eligible endpoints of the zone is retried in another zone.
	// With ActivePassive it is an error to set it. Default empty: zones are ignored.
	// They are also ignored if no endpoint of the list is in this zone.
	Zone string
	// SpillBelow is the share of eligible endpoints in the zone below which calls leave
	// it, above 0 and at most 1. Default 0.5; with a small one, such as 0.001, calls
	// leave the zone only if no endpoint in it is eligible.
	SpillBelow float64

	// SlowStart is how long it takes until an endpoint that is new or has recovered gets
	// as many calls as the others, with HealthyLeastLoaded. It begins with a tenth. With
	// another policy it is an error to set it. Default 10 s, at most 24 h; with a short
	// one, such as 1 ms, there is no slow start.
	SlowStart time.Duration

	// DNS resolves the host names of endpoints at each attempt to connect. The addresses
	// of a name are raced, 250 ms apart, over the whole handshake. If the look-up fails
	// or hangs, the last good answer is used. Default net.DefaultResolver. A dialer among
	// the dial options replaces it.
	DNS *net.Resolver
	// ReresolveInterval is how often the names of connected endpoints are looked
	// up. If the address in use is not among the answers of three look-ups in a row,
	// each of which is repeated several times, a new connection is made and probed
	// before the old one is given up. At least 1 s and at most 24 h. Default 0: a
	// changed answer is followed when the connection is lost.
	ReresolveInterval time.Duration

	// TransportCredentials are for the endpoints that have no http:// URL and no
	// TLS settings of their own. An https:// endpoint without TLS settings uses them
	// too, unless they are plaintext. Default none: then every endpoint must state how it
	// is secured, see NewClient. Transport credentials among the dial options take
	// precedence. If the list has plaintext and TLS endpoints, all calls carry the
	// :scheme https, since grpc has only one per channel; gRPC servers ignore it.
	TransportCredentials credentials.TransportCredentials

	// Idempotent names the methods that may be executed more than once, such as
	// "/pkg.Service/Method", or "/pkg.Service/*" for all methods of a service. Also
	// idempotent are the methods that IdempotentFunc reports, if it is set; methods
	// whose registered proto descriptor has an idempotency_level; the health service;
	// and the read-only methods of Canton's APIs that the role knows. A unary call of
	// an idempotent method is reissued on another endpoint if its endpoint becomes
	// unhealthy during the call, if it fails with UNAVAILABLE, or if it carried its
	// endpoint's own token and is answered with UNAUTHENTICATED. An endpoint that has
	// rejected its token gets no other attempt of the call, so with one endpoint the
	// call fails at once. Any other call is sent at most once, unless a retryPolicy in
	// ServiceConfig allows more. Default none.
	Idempotent []string
	// IdempotentFunc reports whether the method with this full name is idempotent. It
	// is called for every call and from many goroutines, and must return at once: the
	// call waits for it. Default nil.
	IdempotentFunc func(fullMethod string) bool

	// MaxAttempts bounds the attempts of one call, including hedges, those of the service
	// config's retryPolicy, and those that the client has called off. Default 3, at most
	// 100; 1 means no second attempt.
	MaxAttempts int

	// RetryBudget bounds the calls that the client as a whole reissues or hedges.
	RetryBudget RetryBudget

	// Hedge, if not nil, sends a second attempt of a unary call of an idempotent method
	// to another endpoint when the first one takes long; the first answer counts. With
	// ActivePassive it has no effect, since a standby gets no calls. Default nil: calls
	// are not hedged. &Hedge{} hedges with the defaults.
	Hedge *Hedge

	// AttemptTimeout is how long one attempt of a unary call of an idempotent method may
	// take. Then it is canceled, and the call is reissued on another endpoint, within
	// MaxAttempts and RetryBudget. An attempt after which there may be no other one, or
	// for which there is no other endpoint, as with ActivePassive, is not canceled: it may
	// take until the call's deadline. An attempt that took too long is evidence against
	// its endpoint, see Ejection. It is the plain alternative to Hedge, and it is an error
	// to set both. Default 0: attempts have no timeout of their own. From 1 ms to 24 h.
	AttemptTimeout time.Duration

	// ServiceConfig is a gRPC service config, as JSON, for everything except load
	// balancing: methodConfig (retryPolicy, timeout, waitForReady), retryThrottling
	// and healthCheckConfig. The serviceName of a healthCheckConfig is used if
	// HealthCheck.Service is not set; if both are set and differ, both checks must
	// pass. Default empty.
	ServiceConfig string

	// Logger receives one line for each event: an endpoint changes, no endpoint is
	// eligible or one is again, the list or the active endpoint changes (see Event).
	// The attributes are policy, target, number, switch, endpoint, from, to, reason,
	// detail, held and omitted. The level is warning for what may need an operator's
	// attention, debug for a suspicion that comes and goes and for a new endpoint that
	// begins to connect, and info for the rest, such as a standby in a state that is
	// normal for one. For an endpoint that flaps, ten lines
	// are written at once and then one every ten seconds, which reports how many
	// changes before it were omitted. No call and no probe is logged. The handler is
	// called from one goroutine, and may be slow. A handler that is not enabled for a
	// level, as slog.DiscardHandler never is, receives nothing. Default: slog.Default,
	// as it is when a line is written.
	Logger *slog.Logger

	// OnAttempt, if not nil, is called for each attempt of each call: when the attempt
	// begins, when it ends, and when the call is rescued. It is called from many
	// goroutines, as part of the call, so it must be quick and must not block: a call
	// waits for it for 150 ms at most, and while 16 calls of it have not returned, it is
	// not called. Package oteltrace uses it. Default nil, which costs nothing.
	OnAttempt func(context.Context, AttemptEvent)
	// OnAttemptInline has OnAttempt called on the goroutine of the call, without a bound
	// on its time, which saves about 4 µs for each call. It is for functions that always
	// return at once, such as that of package oteltrace: with another one, a call may
	// outlast its deadline. Default false.
	OnAttemptInline bool
}
