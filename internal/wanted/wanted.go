package wanted

import (
	"errors"
	"fmt"

	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/resolver"
)

// Endpoint is one endpoint as the resolver lists it.
type Endpoint struct {
	Name  string
	Addrs []grpcresolver.Address // tried in order; at least one
	// Identity is the endpoint in our own resolver's list; zero in another resolver's.
	Identity resolver.Endpoint
	// A change of what follows needs no new connection.
	Weight   int // its share of the calls; at least 1
	Zone     string
	Priority int // lower is preferred
}

// At returns the endpoint at one of its addresses.
func (w Endpoint) At(a grpcresolver.Address) resolver.Endpoint {
	if w.Identity.Name != "" {
		return w.Identity
	}
	return resolver.Endpoint{Name: w.Name, Address: a.Addr, ServerName: a.ServerName}
}

// ErrIdentityLost is the error of a list of our resolver whose endpoints grpc has
// rebuilt.
var ErrIdentityLost = errors.New("the endpoints have lost their identity on the way from the resolver, " +
	"as they do when grpc handles HTTPS_PROXY; use cantonlb.NewClient, or grpc.WithNoProxy() on a plain channel")

// ErrNone is the error of an empty list.
var ErrNone = errors.New("the resolver gave an empty list: no endpoints to pick from")

// Read reads the list of endpoints from the resolver's state. A list of our own
// resolver has been validated and names its endpoints. In a list of another resolver,
// an endpoint's name is its first address; repeated addresses are dropped, and so are
// endpoints without an address left.
func Read(state grpcresolver.State) ([]Endpoint, error) {
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
		return nil, ErrNone
	}
	return out, nil
}

func ours(list []grpcresolver.Endpoint) ([]Endpoint, error) {
	if len(list) == 0 {
		return nil, ErrNone
	}
	out := make([]Endpoint, 0, len(list))
	for _, e := range list {
		endpoint, ok := resolver.FromGRPC(e)
		if !ok {
			return nil, ErrIdentityLost
		}
		out = append(out, Endpoint{
			Name: endpoint.Name, Addrs: e.Addresses, Identity: endpoint,
			Weight: max(1, endpoint.Weight), Zone: endpoint.Zone, Priority: endpoint.Priority,
		})
	}
	return out, nil
}

func foreign(list []grpcresolver.Endpoint) []Endpoint {
	type key struct{ addr, serverName string }
	seen := make(map[key]bool, len(list))
	names := make(map[string]bool, len(list))
	out := make([]Endpoint, 0, len(list))
	for _, e := range list {
		w := Endpoint{Weight: 1}
		for _, a := range e.Addresses {
			k := key{a.Addr, a.ServerName}
			if seen[k] {
				continue
			}
			seen[k] = true
			w.Addrs = append(w.Addrs, a)
		}
		if len(w.Addrs) == 0 {
			continue
		}
		w.Name = w.Addrs[0].Addr
		if names[w.Name] { // the same address under another server name
			w.Name = fmt.Sprintf("%s (%s)", w.Name, w.Addrs[0].ServerName)
		}
		names[w.Name] = true
		out = append(out, w)
	}
	return out
}
