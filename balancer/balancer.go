package balancer

import (
	"encoding/json"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/serviceconfig"

	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/internal/settings"
)

// The names of the policies in a service config.
const (
	// Name is the policy that picks the eligible endpoints in turn.
	Name = "healthy_round_robin"
	// LeastLoadedName is the policy that picks the less loaded of two eligible
	// endpoints.
	LeastLoadedName = "healthy_least_loaded"
)

func init() {
	balancer.Register(&builder{name: Name, parse: settings.ParseConfig})
	balancer.Register(&builder{name: LeastLoadedName, parse: settings.ParseLeastLoaded})
}

// builder builds a policy for each channel that asks for it. It is a pointer, since
// grpc's priority policy compares builders with ==.
type builder struct {
	name  string
	parse func([]byte) (*settings.Config, error)
}

func (b *builder) Name() string { return b.name }

func (b *builder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	return endpointset.New(b.name, cc, opts)
}

// ParseConfig implements grpc's balancer.ConfigParser.
func (b *builder) ParseConfig(data json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	return b.parse(data)
}
