package quorum

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

// The members of a config's endpoints: each is asked by itself, and one that is not
// healthy after the others.
func TestTheEndpointsOfAConfigAreMembers(t *testing.T) {
	cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
	cfg := cantonlb.Config{Role: cantonlb.Sequencer, TransportCredentials: insecure.NewCredentials()}
	cfg.HealthCheck.Service = cantonlb.WholeServer
	for i, addr := range cluster.Addrs() {
		cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Name: cluster.Names()[i], Address: addr})
	}
	m, err := Dial(cfg, quiet(), grpc.WithContextDialer(cluster.Dialer()))
	require.NoError(t, err)
	defer m.Close()
	for _, x := range m.List() {
		client, ok := x.Conn.(*cantonlb.Client)
		require.True(t, ok)
		require.NoError(t, client.WaitHealthy(within(t, time.Minute), 1))
		by, err := lbtest.ServedBy(within(t, time.Minute), client)
		require.NoError(t, err)
		assert.Equal(t, x.Name, by)
	}
	c, err := NewConn(m, ConnConfig{Methods: []string{lbtest.EchoMethod}})
	require.NoError(t, err)
	echo := func() {
		reply := new(wrapperspb.StringValue)
		require.Eventually(t, func() bool { // on a busy machine probes may fail for a moment
			return c.Invoke(within(t, time.Minute), lbtest.EchoMethod, wrapperspb.String("hello"), reply) == nil
		}, time.Minute, 5*time.Millisecond)
		assert.Equal(t, "hello", reply.GetValue())
	}
	echo()
	cluster.Server(2).Kill()
	require.Eventually(t, func() bool { return !m.List()[2].Healthy() }, time.Minute, 5*time.Millisecond)
	before := cluster.Server(2).Calls()
	for range 5 {
		echo()
	}
	assert.Equal(t, before, cluster.Server(2).Calls())

	require.NoError(t, m.Close())
	require.Error(t, m.List()[0].Conn.Invoke(t.Context(), lbtest.EchoMethod, wrapperspb.String(""), wrapperspb.String("")))
}

func TestAnEndpointThatCannotBeDialledIsNamed(t *testing.T) {
	cfg := cantonlb.Config{TransportCredentials: insecure.NewCredentials(), Endpoints: []cantonlb.Endpoint{
		{Name: "good", Address: "localhost:1"}, {Name: "bad", Address: "no port"}}}
	_, err := Dial(cfg, quiet())
	require.ErrorContains(t, err, "quorum: endpoints[1]: ")
	cfg.Endpoints[1] = cfg.Endpoints[0]
	_, err = Dial(cfg, quiet())
	require.ErrorContains(t, err, "the same address and server name as endpoints[0], named \"good\"")
	cfg.Endpoints[1].Name = "namesake"
	_, err = Dial(cfg, quiet())
	require.ErrorContains(t, err, "the same address and server name as endpoints[0], named \"good\"", "it would count twice")
	_, err = Dial(cantonlb.Config{}, quiet())
	require.ErrorContains(t, err, "0 in the list")
}
