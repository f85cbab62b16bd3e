package endpointset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// listener takes the states of a resolver.
type listener struct {
	grpcresolver.ClientConn

	state grpcresolver.State
}

func (l *listener) UpdateState(s grpcresolver.State) error { l.state = s; return nil }

func (*listener) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }

// ourState is what our own resolver gives for a list; handles gets what takes
// the claim.
func ourState(t require.TestingT, handles *[]any, list ...resolver.Endpoint) grpcresolver.State {
	s, err := resolver.New(list, resolver.WithOnClaim(func(h any) { *handles = append(*handles, h) }))
	require.NoError(t, err)
	var l listener
	r, err := s.Build(grpcresolver.Target{}, &l, grpcresolver.BuildOptions{})
	require.NoError(t, err)
	r.Close()
	return l.state
}

func TestEndpointsOfOurResolverKeepTheirNames(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		var handles []any
		state := ourState(t, &handles, resolver.Endpoint{Name: "seq1", Address: "a:1"}, resolver.Endpoint{Name: "seq2", Address: "b:1", ServerName: "x"})
		require.NoError(t, f.set.UpdateClientConnState(balancer.ClientConnState{ResolverState: state, BalancerConfig: &f.cfg}))
		assert.Equal(t, []any{f.set}, handles, "the set takes the claim")
		f.up("a:1", "b:1")
		assert.Equal(t, []string{"a:1", "b:1"}, f.picked())
		require.NoError(t, f.set.SetDrained("seq1", true))
		assert.Equal(t, []string{"b:1"}, f.picked())
		assert.Equal(t, "a:1", f.status("seq1").Address)
		assert.Equal(t, "x", f.conn("b:1").address.ServerName)

		// The same name at another address is the same endpoint, moved.
		state = ourState(t, &handles, resolver.Endpoint{Name: "seq1", Address: "c:1"}, resolver.Endpoint{Name: "seq2", Address: "b:1", ServerName: "x"})
		require.NoError(t, f.set.UpdateClientConnState(balancer.ClientConnState{ResolverState: state, BalancerConfig: &f.cfg}))
		f.up("c:1")
		assert.Equal(t, []string{"b:1"}, f.picked(), "still drained")
		assert.Len(t, f.all("b:1"), 1)
		assert.Empty(t, f.live("a:1"))
	})
}

func TestAListThatHasLostItsIdentityIsRefusedAndTheOldOneStaysInForce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		var handles []any
		state := ourState(t, &handles, resolver.Endpoint{Name: "seq1", Address: "a:1"})
		lost := state
		lost.Endpoints = endpointsOf("proxy:3128")
		update := func(s grpcresolver.State) error {
			return f.set.UpdateClientConnState(balancer.ClientConnState{ResolverState: s, BalancerConfig: &f.cfg})
		}
		assert.Equal(t, balancer.ErrBadResolverState, update(lost))
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Equal(t, errIdentityLost.Error(), f.refusal(), "all of it, for it says what to do")
		assert.Empty(t, f.all())

		require.NoError(t, update(state))
		f.up("a:1")
		assert.Equal(t, balancer.ErrBadResolverState, update(lost))
		assert.Equal(t, []string{"a:1"}, f.picked())
		assert.Contains(t, f.set.Status().Notes, "the newest list is not in effect: "+errIdentityLost.Error())
		events := f.set.Events()
		last := events[len(events)-1]
		assert.Equal(t, report.ListRefused, last.To)
		assert.Equal(t, cleantext.Detail(errIdentityLost.Error()), last.Detail)
		empty := state
		empty.Endpoints = nil
		assert.Equal(t, balancer.ErrBadResolverState, update(empty))
		_, err := f.pick()
		require.Error(t, err)
		_, isStatus := status.FromError(err)
		assert.False(t, isStatus)
	})
}

func address(addr, serverName string) grpcresolver.Address {
	return grpcresolver.Address{Addr: addr, ServerName: serverName}
}

func endpointAt(addrs ...grpcresolver.Address) grpcresolver.Endpoint {
	return grpcresolver.Endpoint{Addresses: addrs}
}

func named(name string, addrs ...grpcresolver.Address) wanted {
	return wanted{name: name, addrs: addrs, weight: 1}
}

func TestForeignListsAreReadAsTheyCome(t *testing.T) {
	type list = []wanted
	for name, c := range map[string]struct {
		given grpcresolver.State
		want  list
	}{
		"addresses alone": {
			grpcresolver.State{Addresses: []grpcresolver.Address{address("a", ""), address("b", ""), address("a", "")}},
			list{named("a", address("a", "")), named("b", address("b", ""))},
		},
		"endpoints come before addresses": {
			grpcresolver.State{Addresses: []grpcresolver.Address{address("x", "")}, Endpoints: endpointsOf("a")},
			list{named("a", address("a", ""))},
		},
		"an endpoint without addresses is dropped": {
			grpcresolver.State{Endpoints: []grpcresolver.Endpoint{{}, endpointAt(address("a", ""))}},
			list{named("a", address("a", ""))},
		},
		"addresses that another endpoint has are dropped": {
			grpcresolver.State{Endpoints: []grpcresolver.Endpoint{
				endpointAt(address("a", ""), address("b", "")), endpointAt(address("b", ""), address("c", "")), endpointAt(address("a", "")),
			}},
			list{named("a", address("a", ""), address("b", "")), named("c", address("c", ""))},
		},
		"a server name makes a difference": {
			grpcresolver.State{Endpoints: []grpcresolver.Endpoint{endpointAt(address("a", "x")), endpointAt(address("a", "y"))}},
			list{named("a", address("a", "x")), named("a (y)", address("a", "y"))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := desired(c.given)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	for name, state := range map[string]grpcresolver.State{
		"nothing": {}, "an endpoint without addresses": {Endpoints: []grpcresolver.Endpoint{{}}},
	} {
		_, err := desired(state)
		assert.ErrorIs(t, err, errNoEndpoints, name)
	}
}

func TestOnlyWhatAConnectionIsMadeOfMakesADifference(t *testing.T) {
	base := func(change func(*grpcresolver.Address)) grpcresolver.Address {
		a := address("a", "x")
		a.Attributes = attributes.New(key{}, 1)
		change(&a)
		return a
	}
	is := base(func(*grpcresolver.Address) {})
	for name, c := range map[string]struct {
		change func(*grpcresolver.Address)
		same   bool
	}{
		"nothing":     {func(*grpcresolver.Address) {}, true},
		"address":     {func(a *grpcresolver.Address) { a.Addr = "b" }, false},
		"server name": {func(a *grpcresolver.Address) { a.ServerName = "" }, false},
		"attributes":  {func(a *grpcresolver.Address) { a.Attributes = nil }, false},
		//lint:ignore SA1019 what is deprecated must be ignored, too
		"balancer attributes": {func(a *grpcresolver.Address) { a.BalancerAttributes = attributes.New(key{}, 2) }, true}, //nolint:staticcheck // old resolvers set it
		//lint:ignore SA1019 what is deprecated must be ignored, too
		"metadata": {func(a *grpcresolver.Address) { a.Metadata = 1 }, true}, //nolint:staticcheck // the same
	} {
		assert.Equal(t, c.same, sameAddress(is, base(c.change)), name)
	}
}

func TestAnEndpointStaysWithTheSameAddressesInAnyOrder(t *testing.T) {
	a, b, c := address("a", ""), address("b", ""), address("c", "")
	for name, x := range map[string]struct {
		connected    *grpcresolver.Address
		before, next []grpcresolver.Address
		keeps        bool
	}{
		"the same":                       {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a, b}, true},
		"in another order":               {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{b, a}, true},
		"one more":                       {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a, b, c}, false},
		"one less":                       {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a}, false},
		"another one":                    {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a, c}, false},
		"one more while connected":       {&a, []grpcresolver.Address{a, b}, []grpcresolver.Address{b, c, a}, true},
		"without that of the connection": {&b, []grpcresolver.Address{a, b}, []grpcresolver.Address{a}, false},
	} {
		e := &endpoint{addrs: x.before}
		if x.connected != nil {
			e.conn = &conn{address: *x.connected}
		}
		assert.Equal(t, x.keeps, e.keepsLocked(wanted{addrs: x.next}), name)
	}
}
