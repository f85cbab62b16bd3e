package cantonlb

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/identity"
	"github.com/cantonlb/cantonlb/internal/settings"
)

// HealthCheck is how the endpoints are probed: by the methods Watch and Check of the
// gRPC health service, or by fetching a page. The zero value of each field means its
// default:
//
//	Disabled         false        true: being connected is enough
//	Service          of the role  the service name in gRPC health checks, up to 512 bytes
//	Interval         1s           the time from one probe to the next, up to 24 h
//	Timeout          0            a probe's deadline, up to Interval; 0 follows the
//	                              measured round trips, from 0.3 s to 1 s
//	SuspectInterval  0.1s         replaces Interval while a change is being decided
//	Silence          0.3s         how long calls may be in flight on a connection with
//	                              nothing received on it before the endpoint is probed at once
//	Fall, Rise       2, 2         failures in a row that take an endpoint out, successes
//	                              that bring it back; up to 1000
//	Jitter           0.2          the share by which intervals vary, below 1; -1 for none
//	NoWatch          false        true: no gRPC health Watch, only Check
//	OnUnimplemented  connectivity how a server without a health service is treated:
//	                              connectivity, so that being connected is enough, or
//	                              unhealthy
//	HTTP             ""           the URL to GET instead of gRPC health checks, in which
//	                              {host} stands for the endpoint's host
//	GRPCPort         0            another port of the host with the gRPC health service
//
// HTTP and GRPCPort exclude each other. Package healthcheck documents how verdicts are
// reached.
type HealthCheck = healthcheck.Config

// Ejection sets when an endpoint is ejected because its calls fail.
type Ejection struct {
	// ConsecutiveFailures is how many calls in a row must fail. Default 5, at most
	// 1,000,000.
	ConsecutiveFailures int
	// BaseTime is the duration of the first ejection, default 1 s. Each ejection that
	// follows closely lasts longer, up to MaxTime, default 60 s, or BaseTime if that
	// is longer. Both are at most 24 h.
	BaseTime, MaxTime time.Duration
}

// RetryBudget bounds retries over the last ten seconds. Hedges use at most half of it.
type RetryBudget struct {
	// Share is the share of the calls that may be reissued, at most 1. Default 0.2;
	// negative means none.
	Share float64
	// PerSecond is how many more calls may be reissued each second. Default 10;
	// negative means none.
	PerSecond float64
}

// Hedge sets when a call is hedged. A hedge goes to an endpoint that the call has not
// tried. The attempts of a call, hedges included, are at most Config.MaxAttempts. Hedges
// use at most half of the RetryBudget, so that one slow server does not leave rescues
// without any.
//
// The first success counts, or the first error that is about the request, such as
// NOT_FOUND. The other attempts are then canceled, and have returned before the call
// returns. The reply, and what the options grpc.Header, grpc.Trailer and grpc.Peer
// receive, are those of the attempt that counts. Stats handlers of the channel see each
// attempt as a call of its own. An attempt that was canceled because a later one was
// answered first is evidence against its endpoint (Ejection), unless the endpoint has
// answered another call within 0.1 s. A server's grpc-retry-pushback-ms delays or
// prevents hedges.
//
// If an attempt fails so that the call may be reissued, as with UNAVAILABLE, while others
// are under way, another one is made at once on an endpoint that the call has not tried,
// within MaxAttempts and the whole RetryBudget. Otherwise the call waits for the others.
// A hedge whose endpoint becomes unhealthy is not called off, since it may still be
// answered, but the call no longer waits for it if it may be reissued.
//
// Calls whose reply is no proto message, or only has the methods of one or embeds one, are
// not hedged, since the reply of the hedge could not be copied; Status.Notes names their
// methods. Call credentials in the call's options or the dial options must return when
// their context ends, since the call waits for its canceled attempts; those of an
// Endpoint are abandoned.
type Hedge struct {
	// Delay is how long an attempt may take before the call is hedged, from 1 ms to 24 h.
	// Default 0: 1.5 times the 95th percentile of the method's answers of the last
	// minute, at least 10 ms. Answers of endpoints that are much slower than most of the
	// others do not count. Until ten calls of the method were answered within a minute,
	// its calls are not hedged. Up to 1,000 methods are measured.
	Delay time.Duration
}

// NoneEligible sets what happens to calls while no endpoint is eligible.
type NoneEligible string

// The values of NoneEligible. With each of them, calls wait
// while the state of an endpoint is not yet decided: while it connects for the first
// time or after a good connection was closed, or is connected and its health is not yet
// known.
const (
	// FailFast means that calls fail at once with a *NoEligibleError that has the
	// reason of each endpoint, unless they wait for ready. It is the default, except
	// for the roles with takeovers.
	FailFast = NoneEligible(settings.FailFast)
	// Wait means that calls wait for an endpoint, up to their deadlines. A call without
	// a deadline waits until its context ends.
	Wait = NoneEligible(settings.Wait)
	// FailOpen means that calls go in turn to the connected endpoints, whatever their
	// health. If no endpoint is connected, it is the same as FailFast.
	FailOpen = NoneEligible(settings.FailOpen)
)

// Handover sets what happens to the endpoints that a new list of endpoints does not
// have.
type Handover string

// The values of Handover.
const (
	// HandoverKeep means that they serve on until the new list can carry the calls:
	// until each of its new endpoints has its first verdict or has failed to connect, or
	// 5 s have passed, and at least one endpoint of the list is eligible. It is the
	// default. Client.UpdateNow overrides it.
	HandoverKeep = Handover(settings.HandoverKeep)
	// HandoverImmediate means that they are not picked any more from the moment of the
	// change. Calls wait for the new endpoints to connect.
	HandoverImmediate = Handover(settings.HandoverImmediate)
)

// Validation is the result of Config.Validate.
type Validation struct {
	Result ValidationResult
	// Detail is for people, such as the identity that was found and the expected one.
	// It appears in errors, status and events, so it must hold no secret. It is
	// truncated to 200 bytes.
	Detail string
}

// ValidationResult reports whether a server is the expected one. Any value other than
// the constants, including the empty one, is treated as ValidationRetry.
type ValidationResult string

// The results of a validation.
const (
	// ValidationOK means that the server is the expected one.
	ValidationOK = ValidationResult(identity.OK)
	// ValidationMismatch means that the server is not the expected one.
	ValidationMismatch = ValidationResult(identity.Mismatch)
	// ValidationRetry means that the identity could not be determined.
	ValidationRetry ValidationResult = "retry"
)
