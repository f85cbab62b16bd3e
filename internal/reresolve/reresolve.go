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
	"github.com/cantonlb/cantonlb/internal/sleep"
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
// among the answers: see watch. It returns when ctx ends.
func Run(ctx context.Context, set Set, resolver Resolver, every time.Duration) {
	w := watch{set: set, resolver: resolver, missing: make(map[user]int)}
	timer := time.NewTimer(pause(every))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			w.round(ctx)
			timer.Reset(pause(every))
		}
	}
}

func pause(every time.Duration) time.Duration {
	return every + time.Duration(jitter*float64(every)*(2*rand.Float64()-1))
}

// watch follows the names of a set's endpoints. An address that is missing from one
// answer may well be in the next: a name server may rotate its addresses and return a
// part of them, or one of several may be behind the others. So an address is gone if it
// has been missing in a few rounds, and in several answers of each.
type watch struct {
	set      Set
	resolver Resolver

	mu sync.Mutex // no other lock is taken under it
	// missing counts the rounds in a row in which the address in use was missing.
	missing map[user]int
}

const (
	// goneAfter is how many rounds in a row an address has to be missing.
	goneAfter = 3
	// answersMissing is in how many answers of a round it has to be missing, and
	// answerEvery is the pause between these.
	answersMissing = 8
	answerEvery    = 100 * time.Millisecond
)

// round looks up every name.
func (w *watch) round(ctx context.Context) {
	hosts := make(map[string][]user)
	kept := make(map[user]int)
	for _, c := range w.set.Connected() {
		if host, u, ok := named(c); ok {
			hosts[host] = append(hosts[host], u)
			if n := w.missing[u]; n > 0 {
				kept[u] = n
			}
		}
	}
	w.missing = kept // without those that are connected elsewhere now
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for host, users := range hosts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			w.follow(ctx, host, users)
		})
	}
	wg.Wait()
}

// follow looks up one name, and renews the endpoints whose address is gone.
func (w *watch) follow(ctx context.Context, host string, users []user) {
	suspects := slices.Clone(users)
	for i := range answersMissing {
		if i > 0 && !sleep.For(ctx, answerEvery) {
			return
		}
		answers, err := lookUp(ctx, w.resolver, host)
		if err != nil || len(answers) == 0 {
			return // it shows nothing
		}
		suspects = slices.DeleteFunc(suspects, func(u user) bool {
			return slices.ContainsFunc(answers, func(a netip.Addr) bool { return plain(a) == u.ip })
		})
		if len(suspects) == 0 {
			break
		}
	}
	for _, u := range users {
		if w.isGone(u, slices.Contains(suspects, u)) {
			w.set.Renew(u.endpoint)
		}
	}
}

// isGone counts a round, and reports whether the address in use is gone.
func (w *watch) isGone(u user, missing bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !missing {
		delete(w.missing, u)
		return false
	}
	w.missing[u]++
	return w.missing[u] >= goneAfter
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

func lookUp(ctx context.Context, resolver Resolver, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	return resolver.LookupNetIP(ctx, "ip", host)
}

// plain returns an address in a form that can be compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
