// Package cantonlb connects a Go program to a gRPC service that runs in several
// copies, and sends its calls only to those that are able to answer.
//
// # Why
//
// Canton and Daml nodes run in several copies: sequencers are all active, while
// of a participant's, a mediator's or a domain manager's replicas exactly one
// is. A client that dials one address stands still when that one does. grpc-go's
// round_robin gives calls to every server that is connected, and a server that
// hangs stays connected. cantonlb takes the static list of endpoints, probes
// each one all the time, and picks in turn among the healthy ones.
//
//	client, err := cantonlb.NewClient(cantonlb.Config{
//		Role: cantonlb.Sequencer,
//		Endpoints: []cantonlb.Endpoint{
//			{Name: "seq1", Address: "https://seq1.example.com:5001"},
//			{Name: "seq2", Address: "https://seq2.example.com:5001"},
//		},
//	})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	stub := pb.NewSequencerServiceClient(client)
//
// Package configfile reads the same from a file, and follows it.
//
// [Client.Status] shows for each endpoint whether it may be picked, why, and when
// and how that was last learned. A call that finds no eligible endpoint returns a
// [NoEligibleError], which says the same. Package cantonerr reads what a Canton node
// says about an error.
//
// A server that hangs is found by its probes, and sooner by the silence of the
// calls in flight. Calls that the application has declared idempotent are then
// reissued on another endpoint ([Config.Idempotent]); any other call is sent at
// most once, unless a retryPolicy of the application allows more. A server whose
// probes pass while its calls fail is ejected for a growing time
// ([Config.Ejection]), and one that answers as a passive replica does is probed at
// once.
//
// Of the replicas of a participant, a mediator or a domain manager one is active.
// With their roles, or with [ActivePassive], all calls go to one endpoint, which
// stays the active endpoint while it is eligible; the others are kept connected and
// probed. [Client.Switch], [Client.Pin] and [Client.Drain] move it by hand, and
// [Client.Subscribe] reports each switch. Package failover documents the rules.
//
// Each change of an endpoint is an event ([Client.Subscribe]), a line of the log
// ([Config.Logger]) and a step of a metric, all with the same reason.
// [Config.OnAttempt] is called for each attempt of a call. docs/operations.md is for
// those who run the program.
//
// # Endpoints as they are deployed
//
// Endpoints of different organisations differ in more than their addresses, and an
// [Endpoint] says how: https:// or http://, [TLS] settings with roots and a client
// certificate of its own, a token that goes to it alone (Token, TokenFile or
// Credentials), and a [HealthTarget] where it is asked about its health. Files are read again
// when they change. [Config.Validate] finds out who is at the other end of each new
// connection; package cantonid does so for Canton's nodes, and package oauthtoken
// makes an oauth2.TokenSource the credentials of an endpoint.
//
// Verification of a server cannot be turned off. A token is never sent over
// plaintext unless Endpoint.AllowInsecureTokens says so, and never to a health
// target elsewhere unless HealthTarget.SendToken does.
//
// # Packages
//
//	report         reasons, states, events and status
//	resolver       the list, and its target static:///a:1,b:2
//	healthcheck    probes and thresholds; Monitor for what is not a gRPC channel
//	balancer       the policy healthy_round_robin, for plain channels too
//	failover       the policy active_passive, for plain channels too, and Group
//	configfile     a client from a YAML file that is followed
//	configerr      the error of a bad setting
//	cantonerr      what a Canton node says about an error
//	cantonid       who is at the other end of a connection, for Validate
//	oauthtoken     an oauth2.TokenSource as the credentials of an endpoint
//	otelmetrics    metrics for OpenTelemetry
//	oteltrace      traces for OpenTelemetry
//	statuspage     a page that shows all of it
//	lbtest         a test kit of servers that can be killed and hung
//
// # Defaults
//
// Every field of [Config], and what its zero value means:
//
//	Name                          the role; "endpoints" for Generic
//	Endpoints                     none: at least one is required
//	Role                          Generic
//	Policy                        of the role, see below
//	Failover.FailBack             never
//	Failover.HoldDown             10s
//	Failover.Drain                5s
//	HealthCheck.Disabled          false
//	HealthCheck.Service           of the role, see below
//	HealthCheck.Interval          1s
//	HealthCheck.Timeout           follows the measured round trips, from 0.3s to 1s
//	HealthCheck.SuspectInterval   0.1s
//	HealthCheck.Silence           0.3s
//	HealthCheck.Fall              2
//	HealthCheck.Rise              2
//	HealthCheck.Jitter            0.2
//	HealthCheck.NoWatch           false
//	HealthCheck.OnUnimplemented   connectivity
//	HealthCheck.HTTP              none
//	HealthCheck.GRPCPort          none
//	Ejection.ConsecutiveFailures  5
//	Ejection.BaseTime             1s
//	Ejection.MaxTime              60s
//	NoneEligible                  failFast
//	Validate                      none
//	DeadAfter                     3s
//	Zone                          none
//	SpillBelow                    0.5
//	DNS                           net.DefaultResolver
//	ReresolveInterval             none: a changed answer is followed at the next connect
//	TransportCredentials          none: each endpoint says how it is secured
//	Idempotent                    none, beside the methods known from stubs and the role
//	IdempotentFunc                none
//	MaxAttempts                   3
//	RetryBudget.Share             0.2
//	RetryBudget.PerSecond         10
//	ServiceConfig                 none
//	Logger                        grpc's own logger
//	OnAttempt                     none
//
// What a role means:
//
//	Generic            healthy_round_robin  the server as a whole
//	Sequencer          healthy_round_robin  "sequencer-health-check-service"
//	ParticipantLedger  active_passive       the server as a whole
//	ParticipantAdmin   active_passive       "participant", at a port or URL to be given
//	Mediator           active_passive       "mediator", at a port or URL to be given
//	DomainManager      active_passive       "domain", at a port or URL to be given
//
// What is not in Config:
//
//	an attempt to connect         5s, with all handshakes
//	the pause after it failed     0.1s to 10s, growing, with jitter; a TCP connect once a
//	                              second finds out sooner that the port is open again
//	messages received             up to 128 MiB
//	keepalive                     a ping after 40s without a sign of life while there are
//	                              calls, 15s for its answer
//	idle mode                     off
//	proxy                         that of HTTPS_PROXY, but for endpoints that NO_PROXY names
//
// Dial options change those of the channel: messages, keepalive and the dialer.
package cantonlb
