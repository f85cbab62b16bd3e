package cantonlb

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/resolver"
)

// heapInUse returns the bytes of live objects.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A gateway passes calls on under the names that its callers send.
func TestMemoryDoesNotGrowWithTheNamesOfMethods(t *testing.T) {
	names := testkit.Size(1_000_000, 200_000, 20_000)
	cfg := Config{Endpoints: []Endpoint{{Name: "a", Address: "http://127.0.0.1:1"}}, OnAttempt: func(context.Context, AttemptEvent) {}}
	s, err := cfg.settle(true)
	require.NoError(t, err)
	r := newRescuer(cfg, s)
	cc, err := grpc.NewClient(resolver.Scheme+":///127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer cc.Close()
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	open := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, nil
	}
	calls := func(from, to int) {
		for i := from; i < to; i++ {
			method := fmt.Sprintf("/x.Y/%0200d", i)
			require.NoError(t, r.unary(t.Context(), method, new(emptypb.Empty), new(emptypb.Empty), cc, invoke))
			if i%10 == 0 {
				_, err := r.stream(t.Context(), new(grpc.StreamDesc), cc, method, open)
				require.NoError(t, err)
			}
		}
	}
	calls(0, 1000)
	before := heapInUse()
	calls(1000, names)
	after := heapInUse()
	t.Logf("heap before and after %d names: %d KiB, %d KiB", names, before>>10, after>>10)
	assert.Less(t, after, before+1<<20)
}

func TestOnlyMethodsThatAreRegisteredAreKept(t *testing.T) {
	k, err := newIdempotency(nil, nil)
	require.NoError(t, err)
	for _, name := range []string{
		"", "/", "//", "x", "/x.Y/Z", "/grpc.health.v1.Health/Nope", "/grpc/health.v1.Health/Check", "/grpc.health.v1/Health/Check", "/grpc.health.v1.HealthCheckRequest/service",
	} {
		assert.False(t, k.has(name), name)
	}
	assert.False(t, k.has("/grpc.health.v1.Health/Check"))
	n := 0
	k.declared.Range(func(any, any) bool { n++; return true })
	assert.Equal(t, 1, n)
}
