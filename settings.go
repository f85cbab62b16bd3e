package cantonlb

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/internal/settings"
)

// HealthCheck is how the endpoints are probed: the gRPC health service is watched
// and asked, or a page is fetched. The zero value of each field means its default:
//
//	Disabled         false        true: being connected is enough
//	Service          of the role  the name asked for in gRPC health checks, up to 512 bytes
//	Interval         1s           from one probe to the next, up to 24 h
//	Timeout          0            a probe's deadline, up to Interval; 0 follows the
//	                              measured round trips, from 0.3 s to 1 s
//	SuspectInterval  0.1s         in place of Interval while a change is being decided
//	Silence          0.3s         how long calls may be in flight on a connection with
//	                              nothing heard on it before the endpoint is probed at once
//	Fall, Rise       2, 2         failures in a row that take an endpoint out, successes
//	                              that bring it back; up to 1000
//	Jitter           0.2          the share by which intervals vary, below 1; -1 for none
//	NoWatch          false        true: no gRPC health Watch, only Check
//	OnUnimplemented  connectivity what a server without a health service means: that
//	                              being connected is enough; or unhealthy
//	HTTP             ""           the URL to GET in place of gRPC health checks, in which
//	                              {host} stands for the endpoint's host
//	GRPCPort         0            another port of the host with the gRPC health service
//
// HTTP and GRPCPort exclude each other. Package healthcheck says how verdicts come
// about.
type HealthCheck = healthcheck.Config

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
	// FailFast: calls fail at once with a *NoEligibleError that has each
	// endpoint's reason, unless they wait for ready. The default.
	FailFast = NoneEligible(settings.FailFast)
	// Wait: calls wait for an endpoint, up to their deadlines.
	Wait = NoneEligible(settings.Wait)
	// FailOpen: calls go in turn to the endpoints that are connected, whatever
	// their health; without one of those, as FailFast.
	FailOpen = NoneEligible(settings.FailOpen)
)

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
