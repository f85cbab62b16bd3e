package reresolve

import (
	"context"
	"errors"
	"math/rand/v2"
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
	part      func() []netip.Addr // if not nil, the answer
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
	if w.part != nil {
		return w.part(), nil
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
			synctest.Test(t, func(t *testing.T) {
				w := &world{connected: []endpointset.Connected{c.at}, names: map[string][]netip.Addr{"h": c.answers}}
				x := watchOf(w)
				for range goneAfter {
					assert.Empty(t, w.moved, "one missing answer is no move")
					x.round(t.Context())
				}
				assert.Equal(t, c.want, slices.Contains(w.moved, "a"))
			})
		})
	}
}

func watchOf(w *world) *watch { return &watch{set: w, resolver: w, missing: make(map[user]int)} }

// A name server that returns a part of the addresses, by turns or at random, moves
// nothing.
func TestAnAddressThatIsInSomeAnswersIsNotGone(t *testing.T) {
	all := ips("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6")
	n := 0
	for name, part := range map[string]func() []netip.Addr{
		"one of six by turns":  func() []netip.Addr { n++; return all[n%6 : n%6+1] },
		"one of two at random": func() []netip.Addr { i := rand.IntN(2); return all[i : i+1] },
		"three of six at random": func() []netip.Addr {
			list := slices.Clone(all)
			rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			return list[:3]
		},
		"the whole list every third time": func() []netip.Addr { n++; return all[min(n%3, 1):] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{connected: []endpointset.Connected{at("a", "h:1", "10.0.0.1:1")}, part: part}
				x := watchOf(w)
				for range 100 {
					x.round(t.Context())
				}
				assert.Empty(t, w.moved)
			})
		})
	}
}

// A round without an answer shows nothing, and a connection to another address begins
// again.
func TestOnlyRoundsInARowCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{connected: []endpointset.Connected{at("a", "h:1", "10.0.0.1:1")}, names: map[string][]netip.Addr{"h": ips("10.0.0.2")}}
		x := watchOf(w)
		rounds := func(n int) {
			for range n {
				x.round(t.Context())
			}
		}
		rounds(goneAfter - 1)
		w.names["h"] = ips("10.0.0.1")
		rounds(1)
		w.names["h"] = ips("10.0.0.2")
		rounds(goneAfter - 1)
		w.names["h"] = nil
		rounds(5)
		assert.Empty(t, w.moved)
		w.connected[0] = at("a", "h:1", "10.0.0.3:1")
		w.names["h"] = ips("10.0.0.2")
		rounds(goneAfter - 1)
		assert.Empty(t, w.moved)
		rounds(1)
		assert.Equal(t, []string{"a"}, w.moved)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		x.round(ctx)
		assert.Len(t, w.moved, 1)
	})
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
		x := watchOf(w)
		for range goneAfter {
			x.round(t.Context())
		}
		assert.Len(t, w.lookups, 20*goneAfter*answersMissing)
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
