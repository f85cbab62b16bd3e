package cantonlb_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/roundrobin" // a peer
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// BenchmarkCall is one unary call over loopback to one of three servers, by grpc's
// round_robin and through the front door. The servers are in the same process, and their
// costs are included.
func BenchmarkCall(b *testing.B) {
	cluster := lbtest.NewCluster(b, 3, lbtest.RegisterEcho, lbtest.OnTCP())
	list := manual.NewBuilderWithScheme("three")
	var state resolver.State
	for _, address := range cluster.Addrs() {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	list.InitialState(state)
	plain, err := grpc.NewClient("three:///", grpc.WithResolvers(list), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	require.NoError(b, err)
	b.Cleanup(func() { _ = plain.Close() })
	b.Run("round_robin", func(b *testing.B) { benchmarkCall(b, plain) })
	for _, c := range []struct {
		name string
		cfg  cantonlb.Config
	}{
		{"front door", cantonlb.Config{}},
		{"idempotent", cantonlb.Config{Idempotent: echoIsIdempotent}},
		{"least loaded", cantonlb.Config{Idempotent: echoIsIdempotent, Policy: cantonlb.HealthyLeastLoaded}},
		{"hedged", cantonlb.Config{Idempotent: echoIsIdempotent, Hedge: &cantonlb.Hedge{}}},
	} {
		client := clientkit.Connect(b, cluster, c.cfg, 3)
		b.Run(c.name, func(b *testing.B) { benchmarkCall(b, client) })
	}
}

func benchmarkCall(b *testing.B, cc grpc.ClientConnInterface) {
	b.Helper()
	request, reply := wrapperspb.String("hello"), new(wrapperspb.StringValue)
	b.ReportAllocs()
	for b.Loop() {
		if err := cc.Invoke(b.Context(), lbtest.EchoMethod, request, reply); err != nil {
			b.Fatal(err)
		}
	}
}
