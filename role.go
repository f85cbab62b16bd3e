package cantonlb

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc/keepalive"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// Role is the kind of node that the endpoints are. It sets the policy, the health
// service to ask for, so that the program does not need to know the service's name, and
// what happens to calls while no endpoint is eligible.
type Role string

// The roles. Participants, mediators and domain managers are active-passive: exactly
// one of their replicas is active and reports that it is healthy, and the policy is
// ActivePassive. A takeover, in which none is active, is normal for them, so NoneEligible
// is Wait.
const (
	// Generic is any gRPC service. The client asks for the server's overall health.
	// It is the default.
	Generic Role = ""
	// Sequencer is the public API of Canton sequencers, which are all active. The
	// client asks for the health service that Canton's own client asks for.
	Sequencer Role = "sequencer"
	// ParticipantLedger is the Ledger API of a participant's replicas. The client
	// asks for the overall health at the Ledger API itself, which is stricter than
	// the node's health: it also requires a synchronizer that is ready.
	ParticipantLedger Role = "participant_ledger"
	// ParticipantAdmin is the Admin API of a participant's replicas. The client asks
	// for the node's health at HealthCheck.GRPCPort, at HealthCheck.HTTP, or at each
	// endpoint's HealthTarget. It is an error to set none of them.
	ParticipantAdmin Role = "participant_admin"
	// Mediator is the API of a mediator's replicas, with health as for
	// ParticipantAdmin.
	Mediator Role = "mediator"
	// DomainManager is the API of a domain manager's replicas (Canton 2), with health
	// as for ParticipantAdmin.
	DomainManager Role = "domain_manager"
)

// preset holds the settings of a role.
type preset struct {
	policy       Policy
	noneEligible NoneEligible // "": FailFast
	service      string       // of the gRPC health protocol
	// separate is true if health is served on a port other than that of the API,
	// which has no default.
	separate bool
	// refuses is true if a replica that stands by does not listen.
	refuses bool
}

var presets = map[Role]preset{
	Generic:           {policy: HealthyRoundRobin},
	Sequencer:         {policy: HealthyRoundRobin, service: "sequencer-health-check-service"},
	ParticipantLedger: {policy: ActivePassive, noneEligible: Wait, refuses: true},
	ParticipantAdmin:  {policy: ActivePassive, noneEligible: Wait, service: "participant", separate: true},
	Mediator:          {policy: ActivePassive, noneEligible: Wait, service: "mediator", separate: true},
	DomainManager:     {policy: ActivePassive, noneEligible: Wait, service: "domain", separate: true},
}

// The time after which a connection with calls that has received nothing is pinged,
// and the time for the answer. A grpc-go server closes a connection that is pinged
// more often than every five minutes, unless it is configured otherwise; Canton's
// nodes allow a ping every 20 s, and Canton's own client sends one after 40 s. Probes
// find a dead connection long before, so pings may be rare. They are not turned off,
// because on Linux grpc then does not limit how long sent data may stay unacknowledged
// (TCP_USER_TIMEOUT).
const (
	genericKeepalive = 6 * time.Minute
	cantonKeepalive  = 40 * time.Second
	keepaliveTimeout = 15 * time.Second
)

// keepalive returns the parameters of the role's connections. There are no pings on a
// connection without calls.
func (r Role) keepalive() keepalive.ClientParameters {
	p := keepalive.ClientParameters{Time: cantonKeepalive, Timeout: keepaliveTimeout}
	if r == Generic {
		p.Time = genericKeepalive
	}
	return p
}

// apply sets the fields that the settings leave open to those of the role. list holds
// the endpoints, whose own health targets take precedence.
func (r Role) apply(c healthcheck.Config, list []Endpoint) (healthcheck.Config, error) {
	var err error
	if r.needsTarget(c) {
		err = r.checkTargets(list)
	}
	c.Service = cmp.Or(c.Service, presets[r].service)
	return c, err
}

// needsTarget reports whether each endpoint must have a health target, because the role
// has no default port and the client's settings have none.
func (r Role) needsTarget(c healthcheck.Config) bool {
	return presets[r].separate && !c.Disabled && c.GRPCPort == 0 && c.HTTP == ""
}

// checkTargets returns an error if an endpoint of the list has no health target.
func (r Role) checkTargets(list []Endpoint) error {
	if len(list) > 0 && !slices.ContainsFunc(list, func(e Endpoint) bool { return !e.Health.IsSet() }) {
		return nil
	}
	return &configerr.Error{
		Field: "healthCheck.grpcPort", Value: "0",
		Want: fmt.Sprintf("the port of monitoring.grpc-health-server in grpcPort, or the URL of monitoring.http-health-server in http, "+
			"such as \"http://{host}:8080/health\", in healthCheck or in the health target of each endpoint, "+
			"since role %q serves its health on a separate port", r),
	}
}

// check returns an error unless the role is known.
func (r Role) check() error {
	if _, ok := presets[r]; ok {
		return nil
	}
	return &configerr.Error{Field: "role", Value: fault.Quote(r), Want: strictjson.OneOf(slices.Sorted(maps.Keys(presets))...)}
}
