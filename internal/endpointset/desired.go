package endpointset

import (
	"errors"
	"fmt"
	"slices"

	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/resolver"
)

// wanted is one endpoint as the resolver lists it.
type wanted struct {
	name  string
	addrs []grpcresolver.Address // tried in order; at least one
	// identity is the endpoint in our own resolver's list; zero in another resolver's.
	identity resolver.Endpoint
	// A change of what follows needs no new connection.
	weight   int // its share of the calls; at least 1
	zone     string
	priority int // lower is preferred
}

// errIdentityLost is the error of a list of our resolver whose endpoints grpc has
// rebuilt.
var errIdentityLost = errors.New("the endpoints have lost their identity on the way from the resolver, " +
	"as they do when grpc handles HTTPS_PROXY; use cantonlb.NewClient, or grpc.WithNoProxy() on a plain channel")

// errNoEndpoints is the error of an empty list.
var errNoEndpoints = errors.New("the resolver gave an empty list: no endpoints to pick from")

// desired reads the list of endpoints from the resolver's state. A list of our own
// resolver has been validated and names its endpoints. In a list of another resolver,
// an endpoint's name is its first address; repeated addresses are dropped, and so are
// endpoints without an address left.
func desired(state grpcresolver.State) ([]wanted, error) {
	if resolver.ClaimFrom(state) != nil {
		return ours(state.Endpoints)
	}
	list := state.Endpoints
	if len(list) == 0 {
		for _, a := range state.Addresses {
			list = append(list, grpcresolver.Endpoint{Addresses: []grpcresolver.Address{a}})
		}
	}
	out := foreign(list)
	if len(out) == 0 {
		return nil, errNoEndpoints
	}
	return out, nil
}

func ours(list []grpcresolver.Endpoint) ([]wanted, error) {
	if len(list) == 0 {
		return nil, errNoEndpoints
	}
	out := make([]wanted, 0, len(list))
	for _, e := range list {
		endpoint, ok := resolver.FromGRPC(e)
		if !ok {
			return nil, errIdentityLost
		}
		out = append(out, wanted{
			name: endpoint.Name, addrs: e.Addresses, identity: endpoint,
			weight: max(1, endpoint.Weight), zone: endpoint.Zone, priority: endpoint.Priority,
		})
	}
	return out, nil
}

func foreign(list []grpcresolver.Endpoint) []wanted {
	type key struct{ addr, serverName string }
	seen := make(map[key]bool, len(list))
	names := make(map[string]bool, len(list))
	out := make([]wanted, 0, len(list))
	for _, e := range list {
		w := wanted{weight: 1}
		for _, a := range e.Addresses {
			k := key{a.Addr, a.ServerName}
			if seen[k] {
				continue
			}
			seen[k] = true
			w.addrs = append(w.addrs, a)
		}
		if len(w.addrs) == 0 {
			continue
		}
		w.name = w.addrs[0].Addr
		if names[w.name] { // the same address under another server name
			w.name = fmt.Sprintf("%s (%s)", w.name, w.addrs[0].ServerName)
		}
		names[w.name] = true
		out = append(out, w)
	}
	return out
}

// same reports whether an endpoint can keep its connection when the list has b in
// place of a. Like grpc, it compares what a connection is made from;
// BalancerAttributes and Metadata are not part of that.
func same(a, b wanted) bool {
	return slices.EqualFunc(a.addrs, b.addrs, func(x, y grpcresolver.Address) bool {
		return x.Addr == y.Addr && x.ServerName == y.ServerName && x.Attributes.Equal(y.Attributes)
	})
}
