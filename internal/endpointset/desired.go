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

// sameAddress compares what a connection is made from, as grpc does; BalancerAttributes
// and Metadata are not part of that.
func sameAddress(x, y grpcresolver.Address) bool {
	return x.Addr == y.Addr && x.ServerName == y.ServerName && x.Attributes.Equal(y.Attributes)
}

// keepsLocked reports whether the endpoint can stay when the list has w in its place. An
// endpoint with several addresses stays if they are the same in any order, as a name
// server that rotates its answers lists them. While it is connected, the address of its
// connection is enough.
func (e *endpoint) keepsLocked(w wanted) bool {
	has := func(a grpcresolver.Address) bool {
		return slices.ContainsFunc(w.addrs, func(b grpcresolver.Address) bool { return sameAddress(a, b) })
	}
	if e.conn != nil {
		return has(e.conn.address)
	}
	return len(e.addrs) == len(w.addrs) && !slices.ContainsFunc(e.addrs, func(a grpcresolver.Address) bool { return !has(a) })
}

// recognizeLocked gives the endpoints of a foreign resolver's list the names that they
// have. The name of such an endpoint is its first address at the time when it was new.
func (s *Set) recognizeLocked(list []wanted) {
	taken := make(map[string]bool, len(list))
	for _, w := range list {
		taken[w.name] = taken[w.name] || w.identity.Name != "" || s.byName[w.name] != nil
	}
	byAddress := make(map[string]*endpoint)
	for _, e := range s.list {
		for _, a := range e.addrs {
			if len(e.addrs) > 1 || e.name != a.Addr {
				byAddress[a.Addr+" "+a.ServerName] = e
			}
		}
	}
	if len(byAddress) == 0 {
		return
	}
	for i, w := range list {
		if w.identity.Name != "" || s.byName[w.name] != nil {
			continue
		}
		for _, a := range w.addrs {
			if e := byAddress[a.Addr+" "+a.ServerName]; e != nil && !taken[e.name] && e.keepsLocked(w) {
				list[i].name = e.name
				taken[e.name] = true
				break
			}
		}
	}
}
