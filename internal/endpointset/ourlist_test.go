package endpointset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/wanted"
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
		assert.Equal(t, wanted.ErrIdentityLost.Error(), f.refusal(), "all of it, for it says what to do")
		assert.Empty(t, f.all())

		require.NoError(t, update(state))
		f.up("a:1")
		assert.Equal(t, balancer.ErrBadResolverState, update(lost))
		assert.Equal(t, []string{"a:1"}, f.picked())
		assert.Contains(t, f.set.Status().Notes, "the newest list is not in effect: "+wanted.ErrIdentityLost.Error())
		events := f.set.teller.Events()
		last := events[len(events)-1]
		assert.Equal(t, report.ListRefused, last.To)
		assert.Equal(t, cleantext.Detail(wanted.ErrIdentityLost.Error()), last.Detail)
		empty := state
		empty.Endpoints = nil
		assert.Equal(t, balancer.ErrBadResolverState, update(empty))
		_, err := f.pick()
		require.Error(t, err)
		_, isStatus := status.FromError(err)
		assert.False(t, isStatus)
	})
}
