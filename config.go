package cantonlb

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/resolver"
)

// What an endpoint is made of; see package resolver.
type (
	// Endpoint is one server of the list: a name, an address and what else is
	// known of it.
	Endpoint = resolver.Endpoint
	// TLS says how the TLS of one endpoint differs from the default.
	TLS = resolver.TLS
	// HealthTarget says where one endpoint is asked about its health.
	HealthTarget = resolver.HealthTarget
	// Secret is a text that must not be seen; make one with NewSecret.
	Secret = resolver.Secret
)

// WholeServer as HealthTarget.Service asks for the server as a whole.
const WholeServer = resolver.WholeServer

// NewSecret makes a Secret, such as Endpoint.Token, of a text.
func NewSecret(text string) Secret { return resolver.NewSecret(text) }

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

	// HealthCheck says how the endpoints are probed; the defaults are those of
	// the role, then those of package healthcheck.
	HealthCheck healthcheck.Config

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
	// IdempotentFunc says of a full method name whether it is idempotent. It is
	// called for every call and from many goroutines. Default nil.
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

	// Logger gets one line for each change of an endpoint, of having nobody
	// eligible, of the list and of the active (see Event), with the attributes
	// policy, target, number, switch, endpoint, from, to, reason, detail, held and
	// omitted: warnings for what an operator may want to look at, debugging for a
	// suspicion that comes and goes and for a new endpoint that begins to connect,
	// and information for the rest. An endpoint that flaps gets ten lines at once and
	// then one each ten seconds, which tells how many changes before it were omitted.
	// Nothing is logged for each call or probe. It is called from one goroutine, and
	// may be slow. Default: grpc's own logger.
	Logger *slog.Logger

	// OnAttempt, if not nil, is told of each attempt of each call: when it begins,
	// when it ends, and when a call is rescued. It is called from many goroutines,
	// on the way of the call, so it must be quick and must not block. It is what
	// package oteltrace hooks into. Default nil, which costs nothing.
	OnAttempt func(context.Context, AttemptEvent)
}

// Ejection says when an endpoint is ejected because its calls fail.
type Ejection struct {
	// ConsecutiveFailures is how many calls in a row must fail. Default 5, at most
	// 1,000,000.
	ConsecutiveFailures int
	// BaseTime is how long the first ejection lasts, default 1 s. Each one that
	// follows closely lasts longer, up to MaxTime, default 60 s, or BaseTime if that
	// is longer. At most 24 h.
	BaseTime, MaxTime time.Duration
}

// RetryBudget bounds retries over the last ten seconds.
type RetryBudget struct {
	// Share is which share of the calls may be made again, at most 1. Default 0.2;
	// negative means none.
	Share float64
	// PerSecond is how many may be besides, each second. Default 10; negative
	// means none.
	PerSecond float64
}

// NoneEligible says what calls get while no endpoint is eligible.
type NoneEligible string

// The policies for having no eligible endpoint. In all of them calls wait while
// an endpoint is still on its way: connecting for the first time or after a
// good connection was closed, or connected and not judged yet.
const (
	// FailFast: calls fail at once with a *NoEligibleError that tells each
	// endpoint's reason, unless they wait for ready. The default.
	FailFast = NoneEligible(settings.FailFast)
	// Wait: calls wait for an endpoint, up to their deadlines.
	Wait = NoneEligible(settings.Wait)
	// FailOpen: calls go in turn to the endpoints that are connected, whatever
	// their health; without one of those, as FailFast.
	FailOpen = NoneEligible(settings.FailOpen)
)

// nameLimit bounds the name of a client, in bytes.
const nameLimit = 64

// target gives the target of the client's channel.
func (c Config) target() (string, error) {
	name := cmp.Or(c.Name, string(c.Role), "endpoints")
	fits := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if len(name) > nameLimit || strings.ContainsFunc(name, func(r rune) bool { return !fits(r) }) {
		return "", &strictjson.Error{
			Field: "name", Value: strconv.Quote(cleantext.Detail(name)),
			Want: fmt.Sprintf("at most %d letters, digits, dots, dashes and underscores", nameLimit),
		}
	}
	return resolver.Scheme + ":///" + name, nil
}

// Validation is what Config.Validate has found out.
type Validation struct {
	Result ValidationResult
	// Detail is for people, such as the identity that was found and the one that
	// should be. It stands in errors, status and events: no secret, and of more than
	// 200 bytes the rest is cut off.
	Detail string
}

// ValidationResult says whether a server is the one that it should be. Any value
// but those below is as good as ValidationRetry, the empty one too.
type ValidationResult string

// The results of a validation.
const (
	// ValidationOK: it is.
	ValidationOK = ValidationResult(endpointset.ValidationOK)
	// ValidationMismatch: it is another one.
	ValidationMismatch = ValidationResult(endpointset.ValidationMismatch)
	// ValidationRetry: it could not be found out.
	ValidationRetry ValidationResult = "retry"
)

// validator is Validate as the policy takes it.
func (c Config) validator() endpointset.Validator {
	if c.Validate == nil {
		return nil
	}
	return func(ctx context.Context, cc grpc.ClientConnInterface, e Endpoint) (endpointset.ValidationResult, string) {
		v := c.Validate(ctx, cc, e)
		return endpointset.ValidationResult(v.Result), v.Detail
	}
}

// The bounds of ReresolveInterval.
const (
	minReresolve = time.Second
	maxReresolve = 24 * time.Hour
)

func (c Config) checkReresolve() error {
	if d := c.ReresolveInterval; d != 0 && (d < minReresolve || d > maxReresolve) {
		return &strictjson.Error{
			Field: "reresolveInterval", Value: strconv.Quote(d.String()),
			Want: fmt.Sprintf("a duration from %v to %v; none for never", minReresolve, maxReresolve),
		}
	}
	return nil
}

// policy gives the name and the configuration of the load-balancing policy.
func (c Config) policy() (string, settings.Config, error) {
	health, err := c.Role.apply(c.HealthCheck, c.Endpoints)
	if err != nil {
		return "", settings.Config{}, err
	}
	policy, active, err := c.choosing()
	if err != nil {
		return "", settings.Config{}, err
	}
	cfg, err := settings.Config{
		HealthCheck:  health,
		Ejection:     settings.Ejection(c.Ejection),
		NoneEligible: settings.NoneEligible(c.NoneEligible),
		DeadAfter:    c.DeadAfter,
		Zone:         c.Zone,
		SpillBelow:   c.SpillBelow,
		Failover:     active,
	}.Validate()
	return string(policy), cfg, err
}

// choosing gives the policy, and the settings that it alone has.
func (c Config) choosing() (Policy, *settings.Failover, error) {
	policy := cmp.Or(c.Policy, presets[c.Role].policy)
	switch policy {
	case ActivePassive:
		if c.Zone != "" || c.SpillBelow != 0 {
			return "", nil, notHeeded("zone", policy, HealthyRoundRobin)
		}
		f := settings.Failover(c.Failover)
		return policy, &f, nil
	case HealthyRoundRobin:
		if c.Failover != (Failover{}) {
			return "", nil, notHeeded("failover", policy, ActivePassive)
		}
		return policy, nil, nil
	default:
		return "", nil, &strictjson.Error{
			Field: "policy", Value: strconv.Quote(strictjson.Echo(string(policy))), Want: strictjson.OneOf(HealthyRoundRobin, ActivePassive),
		}
	}
}

// notHeeded is the error of a field that another policy has.
func notHeeded(field string, by, of Policy) error {
	return &resolver.ConfigError{
		Field: field, Problem: fmt.Sprintf("set, which the policy %s does not heed", by), Want: fmt.Sprintf("the policy %s", of),
	}
}

// The defaults and bounds of making calls again.
const (
	defaultMaxAttempts = 3
	mostAttempts       = 100
	defaultShare       = 0.2
	defaultPerSecond   = 10
)

// rescuer makes the interceptors.
func (c Config) rescuer() (*rescuer, error) {
	names := slices.Concat(c.Idempotent, alwaysReadOnly, readOnly[c.Role])
	known, err := newIdempotency(names, c.IdempotentFunc)
	if err != nil {
		return nil, err
	}
	if c.MaxAttempts < 0 || c.MaxAttempts > mostAttempts {
		return nil, fmt.Errorf("maxAttempts %d: want a whole number from 1 to %d", c.MaxAttempts, mostAttempts)
	}
	b := c.RetryBudget
	if math.IsNaN(b.Share) || b.Share > 1 {
		return nil, fmt.Errorf("retryBudget.share %v: want at most 1", b.Share)
	}
	if math.IsNaN(b.PerSecond) || math.IsInf(b.PerSecond, 0) {
		return nil, fmt.Errorf("retryBudget.perSecond %v: want a number", b.PerSecond)
	}
	policy, _, err := c.choosing()
	if err != nil {
		return nil, err
	}
	return &rescuer{
		idempotent:  known,
		moves:       policy == ActivePassive,
		maxAttempts: cmp.Or(c.MaxAttempts, defaultMaxAttempts),
		tally:       new(attempt.Tally),
		observe:     c.OnAttempt,
		budget: &retryBudget{
			share:     max(0, cmp.Or(b.Share, defaultShare)),
			perSecond: max(0, cmp.Or(b.PerSecond, defaultPerSecond)),
		},
	}, nil
}
