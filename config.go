package cantonlb

import (
	"context"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Config says which endpoints there are and how they are treated. The zero
// value of every field but Endpoints means the default that stands beside it.
type Config struct {
	// Name is what the client is called in logs and metrics: it becomes the channel's
	// target static:///name, which metrics have as the label grpc.target. Clients
	// of one program need different names to be told apart. Up to 64 letters,
	// digits, dots, dashes and underscores. Default: the role, "endpoints" for
	// Generic.
	Name string

	// Endpoints is the static list: copies of one logical service, at least one.
	// Client.Update changes it later.
	Endpoints []Endpoint

	// Role is what the endpoints are. It sets the defaults of Policy and
	// HealthCheck. Default Generic.
	Role Role

	// Policy is how calls are spread. Default that of the role: ActivePassive for
	// participants, mediators and domain managers, HealthyRoundRobin for others.
	Policy Policy

	// Failover is the settings of ActivePassive. With another policy it is an
	// error to set any.
	Failover Failover

	// HealthCheck is how the endpoints are probed. The role sets the default of its
	// Service; the other defaults stand at HealthCheck.
	HealthCheck HealthCheck

	// Ejection says when an endpoint whose calls fail is taken out although its
	// probes pass: never the last that is eligible, and never more than half of
	// the list. NotFound and other answers of a working server do not count.
	Ejection Ejection

	// NoneEligible says what calls get while no endpoint is eligible. Default
	// FailFast.
	NoneEligible NoneEligible

	// Validate, if not nil, finds out whether the server at the other end of each
	// new connection is the one that it should be, before any call is given to it.
	// cc is that connection: calls on it go there and nowhere else, and carry the
	// endpoint's token. ctx ends after 5 s. A mismatch keeps the endpoint out with
	// the reason identity_mismatch, and is looked into again after 10 s to 1 min; a
	// retry after 0.1 s to 10 s, and as soon as the endpoint becomes healthy. It is
	// called from many goroutines, and must return when ctx ends. For Canton see
	// package cantonid. On a plain channel (DialOptions) it needs Endpoints. Default
	// nil: servers are taken for what they are.
	Validate func(ctx context.Context, cc grpc.ClientConnInterface, e Endpoint) Validation

	// DeadAfter is how long a connection may show no sign of life, neither a
	// probe nor a call answered, before it is closed: then what is under way on
	// it fails UNAVAILABLE. An endpoint that answers is never cut. Default 3 s, at
	// most 24 h.
	DeadAfter time.Duration

	// Zone is where this client stands, in the words of Endpoint.Zone. If it is
	// set, calls go to the endpoints of this zone alone, as long as at least the
	// share SpillBelow of them is eligible; if fewer are, to the eligible of all
	// zones. A call that has tried all that are eligible in the zone is tried again
	// in another. With ActivePassive it is an error to set it. Default empty: zones
	// do not matter, nor do they if no endpoint of the list stands in this one.
	Zone string
	// SpillBelow is above 0 and at most 1. Default 0.5; with a small one, such as
	// 0.001, calls leave the zone only if none there is eligible.
	SpillBelow float64

	// DNS resolves the host names of endpoints, at each connect. Default
	// net.DefaultResolver. A dialer among the dial options takes its place.
	DNS *net.Resolver
	// ReresolveInterval is how often the names of connected endpoints are looked
	// up. If the address in use is no longer among the answers, a new connection is
	// made and probed before the old one is given up. At least 1 s and at most
	// 24 h. Default 0: a changed answer is followed when the connection is lost.
	ReresolveInterval time.Duration

	// TransportCredentials are for the endpoints that have no http:// URL and no
	// TLS settings of their own. Default none: then every endpoint has to say how
	// it is secured, see NewClient. Those among the dial options take precedence.
	// Where the list has both kinds, all calls carry the :scheme https, since grpc
	// knows but one for a channel; servers of gRPC do not look at it.
	TransportCredentials credentials.TransportCredentials

	// Idempotent names the methods that may be executed more than once, such as
	// "/pkg.Service/Method", or "/pkg.Service/*" for all of a service. Besides
	// these are IdempotentFunc, if it is set; methods whose registered proto
	// descriptor has an idempotency_level; the health service; and the read-only
	// methods of Canton's APIs that the role knows. A unary call of such a method
	// is made again on another endpoint if its endpoint becomes unhealthy under
	// it, if it fails UNAVAILABLE, or if it carried its endpoint's own token and is
	// answered UNAUTHENTICATED. Any other call is sent at most once, unless a
	// retryPolicy in ServiceConfig says otherwise. Default none.
	Idempotent []string
	// IdempotentFunc reports whether the method with this full name is idempotent. It
	// is called for every call and from many goroutines. Default nil.
	IdempotentFunc func(fullMethod string) bool

	// MaxAttempts bounds on how many endpoints one call is tried, counting those
	// of the service config's retryPolicy too. Default 3, at most 100; 1 is no second
	// try.
	MaxAttempts int

	// RetryBudget bounds the calls made again by the client as a whole.
	RetryBudget RetryBudget

	// ServiceConfig is a gRPC service config, as JSON, for everything but load
	// balancing: methodConfig (retryPolicy, timeout, waitForReady),
	// retryThrottling and healthCheckConfig. The serviceName of a
	// healthCheckConfig takes the place of an unset HealthCheck.Service; if both
	// are set and differ, both have to pass. Default empty.
	ServiceConfig string

	// Logger gets one line for each event: an endpoint changes, no endpoint is
	// eligible or one is again, the list or the active endpoint changes (see Event).
	// Its attributes are policy, target, number, switch, endpoint, from, to, reason,
	// detail, held and omitted. The level is warning for what an operator may want to
	// look at, debug for a suspicion that comes and goes and for a new endpoint that
	// begins to connect, and info for the rest. An endpoint that flaps gets ten lines
	// at once and then one each ten seconds, which says how many changes before it
	// were omitted. No call and no probe is logged. The handler is called from one
	// goroutine, and may be slow. Default: grpc's own logger.
	Logger *slog.Logger

	// OnAttempt, if not nil, is called for each attempt of each call: when it begins,
	// when it ends, and when a call is rescued. It is called from many goroutines, as
	// part of the call, so it must be quick and must not block. Package oteltrace uses
	// it. Default nil, which costs nothing.
	OnAttempt func(context.Context, AttemptEvent)
}
