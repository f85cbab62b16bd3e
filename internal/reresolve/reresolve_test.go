package reresolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/endpointset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a set of endpoints and a name service.
type world struct {
	mu        sync.Mutex
	connected []endpointset.Connected
	names     map[string][]netip.Addr
	lookups   []string
	moved     []string
	slow      time.Duration
	busy      int
	mostBusy  int
}

func (w *world) Connected() []endpointset.Connected { return w.connected }

func (w *world) Renew(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved = append(w.moved, name)
}

var errNoSuchHost = errors.New("no such host")

func (w *world) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	w.lookups = append(w.lookups, host)
	w.busy++
	w.mostBusy = max(w.mostBusy, w.busy)
	w.mu.Unlock()
	select {
	case <-time.After(w.slow):
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.names[host] == nil {
		return nil, errNoSuchHost
	}
	return w.names[host], nil
}

type text string

func (text) Network() string  { return "tcp" }
func (t text) String() string { return string(t) }

func at(name, address, remote string) endpointset.Connected {
	return endpointset.Connected{Name: name, Address: address, Remote: text(remote)}
}

func ips(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, ip := range list {
		out = append(out, netip.MustParseAddr(ip))
	}
	return out
}

func TestOnlyEndpointsWhoseAddressIsNoLongerAmongTheAnswersMove(t *testing.T) {
	for name, c := range map[string]struct {
		at      endpointset.Connected
		answers []netip.Addr
		want    bool
	}{
		"still the same":              {at("a", "h:1", "10.0.0.1:1"), ips("10.0.0.1"), false},
		"one of several":              {at("a", "h:1", "10.0.0.1:1"), ips("10.0.0.2", "10.0.0.1"), false},
		"another":                     {at("a", "h:1", "10.0.0.1:1"), ips("10.0.0.2"), true},
		"no answer":                   {at("a", "h:1", "10.0.0.1:1"), nil, false},
		"an empty answer":             {at("a", "h:1", "10.0.0.1:1"), ips(), false},
		"IPv4 written as IPv6":        {at("a", "h:1", "10.0.0.1:1"), ips("::ffff:10.0.0.1"), false},
		"a zone":                      {at("a", "h:1", "[fe80::1%eth0]:1"), ips("fe80::1"), false},
		"an address without a name":   {at("a", "10.0.0.1:1", "10.0.0.1:1"), nil, false},
		"a tunnel":                    {at("a", "h:1", "h:1"), ips("10.0.0.2"), false},
		"a socket of another kind":    {at("a", "unix:/x", "@"), nil, false},
		"a connection made in memory": {at("a", "h:1", "bufconn"), ips("10.0.0.2"), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{connected: []endpointset.Connected{c.at}, names: map[string][]netip.Addr{"h": c.answers}}
			round(t.Context(), w, w)
			assert.Equal(t, c.want, slices.Contains(w.moved, "a"))
		})
	}
}

func TestEachNameIsLookedUpOnceARoundAndNotTooManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{slow: time.Second, names: make(map[string][]netip.Addr)}
		for _, host := range "abcdefghijklmnopqrst" {
			for _, port := range []string{"1", "2"} {
				address := net.JoinHostPort(string(host), port)
				w.connected = append(w.connected, at(address, address, "10.0.0.1:"+port))
			}
			w.names[string(host)] = ips("10.0.0.2")
		}
		round(t.Context(), w, w)
		assert.Len(t, w.lookups, 20)
		assert.Len(t, w.moved, 40)
		assert.Equal(t, atOnce, w.mostBusy)
	})
}

func TestRoundsFollowEachOtherUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{connected: []endpointset.Connected{at("a", "h:1", "10.0.0.1:1")}, names: map[string][]netip.Addr{"h": ips("10.0.0.1")}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Run(ctx, w, w, time.Minute)
		}()
		time.Sleep(10*time.Minute + 30*time.Second)
		w.mu.Lock()
		assert.InDelta(t, 10, len(w.lookups), 1)
		w.mu.Unlock()

		w.mu.Lock()
		w.slow = time.Hour // a server that does not answer
		w.mu.Unlock()
		time.Sleep(3 * time.Minute)
		w.mu.Lock()
		assert.InDelta(t, 13, len(w.lookups), 2, "a lookup has a deadline")
		w.mu.Unlock()
		cancel()
		<-ended
		assert.Empty(t, w.moved)
	})
}
