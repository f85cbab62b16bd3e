package cantonlb_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/roundrobin" // a peer
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// BenchmarkCall is one unary call over loopback, by a plain channel and through the
// front door. The server is in the same process, and its costs are included.
func BenchmarkCall(b *testing.B) {
	cluster := lbtest.NewCluster(b, 3, lbtest.RegisterEcho, lbtest.OnTCP())
	plain, err := grpc.NewClient("passthrough:///"+cluster.Addrs()[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	b.Cleanup(func() { _ = plain.Close() })
	b.Run("plain grpc", func(b *testing.B) { benchmarkCall(b, plain) })
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
