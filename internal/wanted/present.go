package wanted

import (
	"slices"

	grpcresolver "google.golang.org/grpc/resolver"
)

// Present is an endpoint that there is already.
type Present struct {
	Name  string
	Addrs []grpcresolver.Address
	// Connected is the address of its connection; nil if it has none.
	Connected *grpcresolver.Address
}

// Same compares what a connection is made from, as grpc does; BalancerAttributes and
// Metadata are not part of that.
func Same(x, y grpcresolver.Address) bool {
	return x.Addr == y.Addr && x.ServerName == y.ServerName && x.Attributes.Equal(y.Attributes)
}

// Stays reports whether the endpoint can stay when the list has w in its place. An
// endpoint with several addresses stays if they are the same in any order, as a name
// server that rotates its answers lists them. While it is connected, the address of its
// connection is enough.
func (p Present) Stays(w Endpoint) bool {
	has := func(a grpcresolver.Address) bool {
		return slices.ContainsFunc(w.Addrs, func(b grpcresolver.Address) bool { return Same(a, b) })
	}
	if p.Connected != nil {
		return has(*p.Connected)
	}
	return len(p.Addrs) == len(w.Addrs) && !slices.ContainsFunc(p.Addrs, func(a grpcresolver.Address) bool { return !has(a) })
}

// Recognize renames endpoints of a foreign resolver's list that are present under another
// name. The name of such an endpoint is its first address at the time when it was new.
func Recognize(list []Endpoint, present []Present) {
	if !slices.ContainsFunc(list, func(w Endpoint) bool { return w.Identity.Name == "" }) {
		return // our own resolver's
	}
	known := make(map[string]bool, len(present))
	byAddress := make(map[string]Present)
	for _, p := range present {
		known[p.Name] = true
		for _, a := range p.Addrs {
			if len(p.Addrs) > 1 || p.Name != a.Addr {
				byAddress[a.Addr+" "+a.ServerName] = p
			}
		}
	}
	if len(byAddress) == 0 {
		return
	}
	taken := make(map[string]bool, len(list))
	for _, w := range list {
		taken[w.Name] = taken[w.Name] || w.Identity.Name != "" || known[w.Name]
	}
	for i, w := range list {
		if w.Identity.Name != "" || known[w.Name] {
			continue
		}
		for _, a := range w.Addrs {
			if p, ok := byAddress[a.Addr+" "+a.ServerName]; ok && !taken[p.Name] && p.Stays(w) {
				list[i].Name = p.Name
				taken[p.Name] = true
				break
			}
		}
	}
}
