package endpointset

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// fixture is a set under a fake channel.
type fixture struct {
	*fakeChannel

	cfg     settings.Config
	options *Options
	knocked atomic.Int64 // connections made otherwise than by SubConns
	opens   atomic.Bool  // those succeed
}

func (f *fixture) dials() int { return int(f.knocked.Load()) }

// inBubble runs a test in fake time with a set that is closed at the end. Each
// option changes the configuration.
func inBubble(t *testing.T, test func(t *testing.T, f *fixture), options ...func(*settings.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, options...)
		defer f.close()
		test(t, f)
	})
}

func newFixture(t testingT, options ...func(*settings.Config)) *fixture {
	cfg := settings.DefaultConfig()
	for _, o := range options {
		o(&cfg)
	}
	cfg, err := cfg.Validate()
	require.NoError(t, err)
	f := &fixture{fakeChannel: newFakeChannel(t), cfg: cfg}
	build := New
	if cfg.Failover != nil {
		build = NewActivePassive
	}
	// Nothing but the SubConns connects: a real dialer's look-ups do not go with
	// fake time.
	f.set = build("test_policy", f.fakeChannel, balancer.BuildOptions{
		DialCreds: transport.New(insecure.NewCredentials()),
		Dialer: func(context.Context, string) (net.Conn, error) {
			f.knocked.Add(1)
			if f.opens.Load() {
				near, far := net.Pipe()
				_ = far.Close()
				return near, nil
			}
			return nil, errRefused
		},
	})
	return f
}

func (f *fixture) close() {
	f.deliver(func() {
		f.set.Close()
		f.mu.Lock()
		f.closed = true
		f.mu.Unlock()
	})
}

// withoutChecks turns health checking off: a connection is enough.
func withoutChecks(c *settings.Config) { c.HealthCheck.Disabled = true }

// leastLoaded makes the set one that picks the less loaded of two endpoints.
func leastLoaded(c *settings.Config) { c.LeastLoaded = true }

// activePassive makes the set one that picks one endpoint at a time.
func activePassive(c *settings.Config) { c.Failover = new(settings.Failover) }

func withPolicy(p settings.NoneEligible) func(*settings.Config) {
	return func(c *settings.Config) { c.NoneEligible = p }
}

func endpointsOf(addrs ...string) []grpcresolver.Endpoint {
	list := make([]grpcresolver.Endpoint, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, grpcresolver.Endpoint{Addresses: []grpcresolver.Address{{Addr: a}}})
	}
	return list
}

// push gives the set a list, as grpc does with that of a foreign resolver.
func (f *fixture) push(addrs ...string) error { return f.pushEndpoints(endpointsOf(addrs...)...) }

func (f *fixture) pushEndpoints(list ...grpcresolver.Endpoint) error {
	var err error
	state := grpcresolver.State{Endpoints: list}
	if f.options != nil {
		state.Attributes = state.Attributes.WithValue(f.options.Attribute())
	}
	f.deliver(func() {
		before := f.updates()
		err = f.set.UpdateClientConnState(balancer.ClientConnState{
			ResolverState: state, BalancerConfig: &f.cfg,
		})
		assert.Greater(f.t, f.updates(), before, "a state is published before UpdateClientConnState returns")
	})
	return err
}

func (f *fixture) resolverError(err error) { f.deliver(func() { f.set.ResolverError(err) }) }

// conn gives the one live SubConn of an address.
func (f *fixture) conn(addr string) *fakeSubConn {
	live := f.live(addr)
	require.Len(f.t, live, 1, "live SubConns of %s", addr)
	return live[0]
}

// up connects addresses, and waits until nothing moves any more.
func (f *fixture) up(addrs ...string) {
	for _, a := range addrs {
		f.conn(a).become(connectivity.Connecting, nil)
		f.conn(a).become(connectivity.Ready, nil)
	}
	synctest.Wait()
}

// down fails the SubConns of addresses.
func (f *fixture) down(err error, addrs ...string) {
	for _, a := range addrs {
		f.conn(a).become(connectivity.TransientFailure, err)
	}
	synctest.Wait()
}

// awaitTry waits until the pauses of addresses are over.
func (f *fixture) awaitTry(addrs ...string) {
	for _, a := range addrs {
		for deadline := time.Now().Add(link.MaxPause); len(f.live(a)) == 0 && !time.Now().After(deadline); {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
	}
}

// state waits until nothing moves and gives the published state.
func (f *fixture) state() connectivity.State {
	synctest.Wait()
	return f.last().ConnectivityState
}

// pickerOf gives a published picker of connections, and whether it is one.
func pickerOf(published balancer.Picker) (*pick.Picker, bool) {
	p, ok := published.(*pick.Picker)
	return p, ok
}

// connsOf gives the connections that a pick knows.
func connsOf(list []*pick.Conn) []*conn {
	var out []*conn
	for _, c := range list {
		out = append(out, connOf(c))
	}
	return out
}

// snapshot gives the published picker, which is one of connections.
func (f *fixture) snapshot() *pick.Picker {
	p, ok := pickerOf(f.last().Picker)
	require.True(f.t, ok)
	return p
}

// pick picks once from the published snapshot, and ends the call well.
func (f *fixture) pick() (string, error) {
	synctest.Wait()
	r, err := f.last().Picker.Pick(pickInfo())
	if err != nil {
		return "", err
	}
	r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
	sc := r.SubConn.(*fakeSubConn)
	assert.False(f.t, sc.isShutdown(), "a SubConn that has been shut down is picked")
	return sc.address.Addr, nil
}

// picked gives the addresses that the published snapshot picks in turn, sorted.
func (f *fixture) picked() []string {
	seen := make(map[string]int)
	for range 60 {
		addr, err := f.pick()
		if err != nil {
			return nil
		}
		seen[addr]++
	}
	for addr, n := range seen {
		assert.Equal(f.t, 60/len(seen), n, "picks of %s", addr)
	}
	return slices.Sorted(maps.Keys(seen))
}

// waits tells whether calls wait with the published snapshot.
func (f *fixture) waits() bool {
	_, err := f.pick()
	return err == balancer.ErrNoSubConnAvailable //nolint:errorlint // grpc compares so
}

// refusal gives the text with which calls fail at once.
func (f *fixture) refusal() string {
	_, err := f.pick()
	require.Error(f.t, err)
	require.NotEqual(f.t, balancer.ErrNoSubConnAvailable, err, "the call waits")
	return err.Error()
}

func (f *fixture) status(name string) report.EndpointStatus {
	synctest.Wait()
	for _, e := range f.set.Status().Endpoints {
		if e.Name == name {
			return e
		}
	}
	f.t.Errorf("no endpoint %q", name)
	return report.EndpointStatus{}
}

// defaultConsecutiveFailures is a part of the settings' defaults.
const defaultConsecutiveFailures = 5
