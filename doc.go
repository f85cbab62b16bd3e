// Package cantonlb connects a Go program to a gRPC service that runs in several
// copies, and sends its calls only to the copies that can answer them.
//
// # Why
//
// Canton and Daml nodes run in several copies. All sequencers are active, but only
// one replica of a participant, a mediator or a domain manager is. A client that
// dials one address stops working when that server does. grpc-go's round_robin sends
// calls to every connected server, and a server that hangs stays connected. cantonlb
// takes a static list of endpoints, probes each endpoint all the time, and picks in
// turn among the healthy ones.
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
// Package configfile reads the same configuration from a file and follows the file.
//
// [Client.Status] shows for each endpoint whether it may be picked, why, and when
// and how that was last determined. A call that finds no eligible endpoint returns a
// [NoEligibleError], which reports the state and the reason of each endpoint. Package
// cantonerr reads what a Canton node reports about an error.
//
// An endpoint is eligible if it may be picked: it is connected, healthy or suspect,
// and neither ejected nor drained. Probes detect a server that hangs. If calls are in
// flight and nothing is received for a while, the endpoint is probed at once, which
// detects a hang sooner. Calls that the application has declared idempotent are then
// reissued on another endpoint ([Config.Idempotent]): a call is rescued if it is
// canceled on an endpoint that became unhealthy and reissued on another one, and
// retried if it failed and is reissued. Any other call is sent at most once, unless a
// retryPolicy of the application allows more. A server whose probes pass while its
// calls fail is ejected, each time for longer ([Config.Ejection]). An endpoint that
// answers a call with the error of a passive replica is probed at once.
//
// One replica of a participant, a mediator or a domain manager is active at a time.
// With their roles, or with [ActivePassive], all calls go to one endpoint, which
// stays the active endpoint while it is eligible; the others are kept connected and
// probed. [Client.Switch], [Client.Pin] and [Client.Drain] change the active endpoint
// by hand, and [Client.Subscribe] reports each switch. Package failover documents the
// rules.
//
// Each change of an endpoint is an event ([Client.Subscribe]), a log line
// ([Config.Logger], limited for an endpoint that flaps) and an increment of a metric,
// all with the same reason.
// [Config.OnAttempt] is called for each attempt of a call. docs/operations.md is
// written for operators.
//
// # Settings of each endpoint
//
// Endpoints of different organisations differ in more than their addresses. An
// [Endpoint] therefore has its own https:// or http:// scheme, [TLS] settings with
// roots and a client certificate, a token that is sent to it alone (Token, TokenFile
// or Credentials), and a [HealthTarget] where it is asked about its health. Files are
// read again when they change. [Config.Validate] checks the identity of the server at
// the other end of each new connection; package cantonid implements it for Canton's
// nodes. Package oauthtoken makes an oauth2.TokenSource the credentials of an endpoint.
//
// Verification of a server cannot be turned off. A token is never sent over plaintext
// unless Endpoint.AllowInsecureTokens allows it, and never to a separate health target
// unless HealthTarget.SendToken allows it.
//
// # Packages
//
//	report         reasons, states, events and status
//	resolver       the list, and its target static:///a:1,b:2
//	healthcheck    probes and thresholds; Monitor for what is not a gRPC channel
//	balancer       the policies healthy_round_robin and healthy_least_loaded, for plain
//	               channels too
//	failover       the policy active_passive, for plain channels too, and Group
//	configfile     a client from a YAML file that is followed
//	configerr      the error of a bad setting
//	ledger         resumable streams of updates, submissions with one known outcome
//	jsonapi        requests to HTTP services, such as the JSON API
//	quorum         reads and streams on which several members have to agree
//	lease          one live instance of several, with fencing tokens
//	cantonerr      what a Canton node reports about an error
//	cantonid       the identity of the server of a connection, for Validate
//	oauthtoken     an oauth2.TokenSource as the credentials of an endpoint
//	metric         the names, units and labels of the metrics
//	otelmetrics    metrics for OpenTelemetry
//	oteltrace      traces for OpenTelemetry
//	statuspage     a web page with the status of a client
//	lbtest         a test kit of servers that can be killed and hung
//
// # Defaults
//
// Every field of [Config] and the meaning of its zero value:
//
//	Name                          the role; "endpoints" for Generic
//	Endpoints                     none: at least one is required
//	Role                          Generic
//	Policy                        that of the role, see below
//	Failover.FailBack             never
//	Failover.HoldDown             10s
//	Failover.Drain                5s
//	HealthCheck.Disabled          false
//	HealthCheck.Service           that of the role, see below
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
//	NoneEligible                  that of the role, see below
//	Handover                      keep
//	StreamDrain                   none: streams continue until they end
//	Validate                      none
//	DeadAfter                     3s
//	Zone                          none
//	SpillBelow                    0.5
//	SlowStart                     10s, with healthy_least_loaded
//	DNS                           net.DefaultResolver
//	ReresolveInterval             none: a changed answer is followed at the next connect
//	TransportCredentials          none: each endpoint states how it is secured
//	Idempotent                    none, besides the methods known from stubs and the role
//	IdempotentFunc                none
//	MaxAttempts                   3
//	RetryBudget.Share             0.2
//	RetryBudget.PerSecond         10
//	Hedge                         none: calls are not hedged; with Hedge{}, after 1.5 times the
//	                              method's p95 of the last minute, at least 10ms
//	AttemptTimeout                none
//	ServiceConfig                 none
//	Logger                        slog.Default
//	OnAttempt                     none
//	OnAttemptInline               false
//
// The policy, NoneEligible and the health service of each role:
//
//	Generic            healthy_round_robin  failFast  the server as a whole
//	Sequencer          healthy_round_robin  failFast  "sequencer-health-check-service"
//	ParticipantLedger  active_passive       wait      the server as a whole
//	ParticipantAdmin   active_passive       wait      "participant", at a port or URL that must be set
//	Mediator           active_passive       wait      "mediator", at a port or URL that must be set
//	DomainManager      active_passive       wait      "domain", at a port or URL that must be set
//
// Values that are not in Config:
//
//	an attempt to connect         5s, with all handshakes
//	the pause after a failure     0.1s to 10s, growing, with jitter; a TCP connect once a
//	                              second detects sooner that the port is open again
//	messages received             up to 128 MiB
//	keepalive                     while there are calls, a ping after 6m without a sign of
//	                              life, or after 40s with a role of Canton; 15s for its
//	                              answer. A grpc-go server with default settings closes a
//	                              connection that is pinged more often than every 5m
//	idle mode                     off
//	proxy                         that of HTTPS_PROXY, except for endpoints that NO_PROXY names
//
// Dial options change the settings of the channel: messages, keepalive and the dialer.
package cantonlb
