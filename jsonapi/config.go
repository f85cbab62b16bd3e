package jsonapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/resolver"
)

// Config holds the endpoints and settings of a client. The zero value of every field
// except Endpoints means the default that its comment states.
type Config struct {
	// Name is the name of the client in logs, status and metrics. Clients of one program
	// need different names. Up to 64 letters, digits, dots, dashes and underscores.
	// Default: the role, or "http" for HTTP.
	Name string

	// Host is the logical host: requests are made to http://Host/..., and to no other
	// host. A host name, without a port. Default "ledger".
	Host string

	// Endpoints are the servers, at least one. All of them are servers of one service:
	// for the JSON API, of one participant service. Client.Update changes the list later.
	Endpoints []Endpoint

	// Role is the kind of service. It sets the defaults of Policy, NoneEligible and the
	// health paths, and which requests are known to change nothing. Default JSONAPI.
	Role Role

	// Policy is how requests are distributed: ActivePassive, RoundRobin or LeastLoaded.
	// Default: that of the role.
	Policy Policy

	// Failover holds the settings of ActivePassive. Its Drain bounds upgraded connections,
	// such as websockets; requests in flight may finish. With another policy it is an
	// error to set any of them.
	Failover cantonlb.Failover

	// ReadyPath is the page that says whether an endpoint may be picked, and LivePath the
	// one that says whether its process answers at all. Both are paths below the base
	// URL, answered with 200. LivePath distinguishes a server that is not ready from one
	// that hangs. Default: those of the role, "/readyz" and "/livez"; "-" means none for
	// LivePath. An endpoint's Health target replaces both.
	ReadyPath, LivePath string

	// HealthCheck holds the schedule of the probes and the thresholds. Its HTTP, if set,
	// replaces ReadyPath and LivePath. Service, GRPCPort, NoWatch and OnUnimplemented
	// must not be set.
	HealthCheck healthcheck.Config

	// Ejection sets when an endpoint whose requests fail is ejected although its probes
	// pass: no response, or 502, 503 or 504. The last eligible endpoint is never ejected.
	Ejection cantonlb.Ejection

	// NoneEligible sets what happens to requests while no endpoint is eligible. Default:
	// Wait for roles that are active-passive, and FailFast for others. A request that
	// waits does so until its context ends; one without a deadline waits for a minute.
	NoneEligible cantonlb.NoneEligible

	// DeadAfter is how long an endpoint whose probes fail may be silent before the
	// requests in flight on it fail. Default 3 s, at most 24 h.
	DeadAfter time.Duration

	// Zone and SpillBelow are as in cantonlb.Config. With ActivePassive it is an error to
	// set them. Default none, and 0.5.
	Zone       string
	SpillBelow float64

	// Idempotent names requests that may be executed more than once, in addition to those
	// that are known: a method and a path, such as "POST /reports/{id}/render". {name}
	// stands for one segment of the path. Default none.
	Idempotent []string
	// IdempotentFunc reports whether this request may be executed more than once. It must
	// not read the body. It is called as part of the request, from many goroutines, and
	// must return at once: the request waits for it. Default nil.
	IdempotentFunc func(*http.Request) bool
	// NoResubmission sends a command at most once although it has a command ID. Default
	// false: see SafetyResubmit.
	NoResubmission bool

	// MaxAttempts bounds how often one request is sent. Default 3, at most 100; 1 means
	// no second attempt. Attempts of which nothing was sent do not count.
	MaxAttempts int
	// RetryBudget bounds the requests that the client as a whole sends again. What was
	// never sent does not count.
	RetryBudget cantonlb.RetryBudget
	// HedgeAfter is after how long without a response an idempotent request is sent to a
	// second endpoint as well. The first good response is returned. Hedges take at
	// most half of the RetryBudget. Not with ActivePassive. Default 0: never.
	HedgeAfter time.Duration
	// MaxReplay bounds the bytes of a request's body that are kept so that it can be sent
	// again, if the request has no GetBody. Default 1 MiB, at most 64 MiB; negative means
	// none.
	MaxReplay int64

	// Transport is the model of the transports, of which each endpoint has one: proxy,
	// dialer, timeouts, protocols, TLS for endpoints without settings of their own. It is
	// not used itself. TLS verification must not be turned off in it. Default: HTTP/1.1
	// and HTTP/2 over TLS, HTTP/1.1 over plaintext, the proxy of the environment, 5 s for
	// connecting and for the TLS handshake, 100 idle connections to an endpoint.
	Transport *http.Transport

	// Logger receives one line for each event, as in cantonlb.Config. Default:
	// slog.Default, as it is when a line is written.
	Logger *slog.Logger

	// OnAttempt, if not nil, is called for each attempt: when it starts and when it ends,
	// and when a request is rescued. It is called as part of the request, from many
	// goroutines, so it must be quick. A request waits for a call of it for 150 ms at
	// most; while 16 calls have not returned, it is not called. Default nil.
	OnAttempt func(context.Context, AttemptEvent)
}

// Endpoint is one server of the list, as for gRPC. Its Address is a base URL, such as
// "https://json1.example.com/api": http or https, the port 80 or 443 if none is given,
// and perhaps a path, under which the server's paths are. Without a scheme it must have
// TLS settings. Its ServerName is the name of the certificate, and the Host of requests.
type Endpoint = resolver.Endpoint

// AttemptEvent reports a change in one attempt of a request.
type AttemptEvent struct {
	// Kind is cantonlb.AttemptStarted, AttemptEnded or CallRescued.
	Kind cantonlb.AttemptEventKind
	// Method and Path are those of the request, without its query.
	Method, Path string
	// Endpoint is the endpoint's name. Number counts the attempts, from 1.
	Endpoint string
	Number   int
	// Hedge says that the attempt is made beside an earlier one that takes long.
	Hedge bool
	// Status is the response's status, and Err the error of an attempt without a
	// response. Both are zero for an attempt that has only started.
	Status int
	Err    error
}
