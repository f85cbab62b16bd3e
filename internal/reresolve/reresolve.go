package reresolve

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/endpointset"
)

const (
	atOnce        = 8
	lookUpTimeout = 5 * time.Second
	jitter        = 0.1
)

// Set is the set of endpoints. Its methods are safe for concurrent use.
type Set interface {
	// Connected returns the connected endpoints and the addresses that they are
	// connected to.
	Connected() []endpointset.Connected
	// Renew makes an endpoint connect anew. Its old connection is kept until the new
	// one is ready.
	Renew(name string)
}

// Resolver looks names up.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Run looks up the names of the set's endpoints repeatedly, with pauses of about
// the duration every, and renews the endpoints whose address in use is no longer
// among the answers. It returns when ctx ends.
func Run(ctx context.Context, set Set, resolver Resolver, every time.Duration) {
	timer := time.NewTimer(pause(every))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			round(ctx, set, resolver)
			timer.Reset(pause(every))
		}
	}
}

func pause(every time.Duration) time.Duration {
	return every + time.Duration(jitter*float64(every)*(2*rand.Float64()-1))
}

// round looks up every name once.
func round(ctx context.Context, set Set, resolver Resolver) {
	users := make(map[string][]user)
	for _, c := range set.Connected() {
		if host, u, ok := named(c); ok {
			users[host] = append(users[host], u)
		}
	}
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for host, users := range users {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			for _, name := range moved(ctx, resolver, host, users) {
				set.Renew(name)
			}
		})
	}
	wg.Wait()
}

// user is an endpoint that is connected to one of the addresses of a host name.
type user struct {
	endpoint string
	ip       netip.Addr
}

// named returns the host name of an endpoint's address and the IP address that it
// is connected to. It returns false if the endpoint has no host name, or if the
// remote address is unknown, as behind a proxy.
func named(c endpointset.Connected) (host string, u user, ok bool) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return "", user{}, false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", user{}, false
	}
	remote, err := netip.ParseAddrPort(c.Remote.String())
	if err != nil {
		return "", user{}, false
	}
	return host, user{endpoint: c.Name, ip: plain(remote.Addr())}, true
}

// moved returns the endpoints whose address is not among the answers for host.
func moved(ctx context.Context, resolver Resolver, host string, users []user) []string {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	answers, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(answers) == 0 {
		return nil
	}
	var names []string
	for _, u := range users {
		same := func(a netip.Addr) bool { return plain(a) == u.ip }
		if !slices.ContainsFunc(answers, same) {
			names = append(names, u.endpoint)
		}
	}
	return names
}

// plain returns an address in a form that can be compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
