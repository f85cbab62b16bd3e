package cantonlb

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// Role is what kind of node the endpoints are. It sets the policy and what is
// asked about their health, so that a client of a Canton node need not know the
// names.
type Role string

// The roles. Participants, mediators and domain managers are active-passive: of
// their replicas exactly one is active and says that it is healthy, and the policy
// is ActivePassive.
const (
	// Generic: any gRPC service; the server's overall health. The default.
	Generic Role = ""
	// Sequencer: the public API of Canton sequencers, which are all active.
	// Asks for the service that Canton's own client asks for.
	Sequencer Role = "sequencer"
	// ParticipantLedger: the Ledger API of a participant's replicas. Asks for
	// the overall health at the Ledger API itself, which is stricter than that
	// of the node: it also needs a synchronizer that is ready.
	ParticipantLedger Role = "participant_ledger"
	// ParticipantAdmin: the Admin API of a participant's replicas. Asks for the
	// node's health, at HealthCheck.GRPCPort or HealthCheck.HTTP or where each
	// endpoint's HealthTarget says; to set none of them is an error.
	ParticipantAdmin Role = "participant_admin"
	// Mediator: a mediator's replicas; health as for ParticipantAdmin.
	Mediator Role = "mediator"
	// DomainManager: a domain manager's replicas (Canton 2); health as for
	// ParticipantAdmin.
	DomainManager Role = "domain_manager"
)

// preset is what a role means.
type preset struct {
	policy  Policy
	service string // of the gRPC health protocol
	// separate: the health is told on another port than the API, which has no
	// default.
	separate bool
}

var presets = map[Role]preset{
	Generic:           {policy: HealthyRoundRobin},
	Sequencer:         {policy: HealthyRoundRobin, service: "sequencer-health-check-service"},
	ParticipantLedger: {policy: ActivePassive},
	ParticipantAdmin:  {policy: ActivePassive, service: "participant", separate: true},
	Mediator:          {policy: ActivePassive, service: "mediator", separate: true},
	DomainManager:     {policy: ActivePassive, service: "domain", separate: true},
}

// apply fills what the settings leave open with what the role means. list is the
// endpoints, whose own health targets come first.
func (r Role) apply(c healthcheck.Config, list []Endpoint) (healthcheck.Config, error) {
	var err error
	if r.needsTarget(c) {
		err = r.checkTargets(list)
	}
	c.Service = cmp.Or(c.Service, presets[r].service)
	return c, err
}

// needsTarget tells whether each endpoint has to say where its health is told,
// because the role has no default for that and the client's settings do not say.
func (r Role) needsTarget(c healthcheck.Config) bool {
	return presets[r].separate && !c.Disabled && c.GRPCPort == 0 && c.HTTP == ""
}

// checkTargets refuses a list with an endpoint that does not say where its health
// is told.
func (r Role) checkTargets(list []Endpoint) error {
	if len(list) > 0 && !slices.ContainsFunc(list, func(e Endpoint) bool { return !e.Health.IsSet() }) {
		return nil
	}
	return &configerr.Error{
		Field: "healthCheck.grpcPort", Value: "0",
		Want: fmt.Sprintf("the port of monitoring.grpc-health-server in it, or the URL of monitoring.http-health-server in http, "+
			"such as \"http://{host}:8080/health\", here or in the health target of each endpoint, "+
			"since role %q tells its health on a port of its own", r),
	}
}

// check returns an error unless the role is known.
func (r Role) check() error {
	if _, ok := presets[r]; ok {
		return nil
	}
	return &configerr.Error{Field: "role", Value: fault.Quote(r), Want: strictjson.OneOf(slices.Sorted(maps.Keys(presets))...)}
}
