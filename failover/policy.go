package failover

import (
	"encoding/json"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/serviceconfig"

	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/internal/settings"
)

// Name is the policy's name in a service config.
const Name = "active_passive"

func init() { balancer.Register(builder{}) }

// builder builds the policy for each channel that asks for it.
type builder struct{}

func (builder) Name() string { return Name }

func (builder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	return endpointset.NewActivePassive(Name, cc, opts)
}

// ParseConfig implements grpc's balancer.ConfigParser.
func (builder) ParseConfig(data json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	return settings.ParseActivePassive(data)
}
