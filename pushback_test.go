package cantonlb_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// pushingBack makes servers answer each call with UNAVAILABLE and this trailer.
func pushingBack(values ...string) lbtest.Option {
	return lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			if info.FullMethod != lbtest.EchoMethod {
				return handle(ctx, req)
			}
			_ = grpc.SetTrailer(ctx, metadata.MD{"grpc-retry-pushback-ms": values})
			_, _ = handle(ctx, req) // so that it is counted
			return nil, status.Error(codes.Unavailable, "too busy")
		}))
}

func TestRetriesHeedWhatTheServerSaysAboutThem(t *testing.T) {
	for name, c := range map[string]struct {
		values   []string
		deadline time.Duration
		calls    int
		took     time.Duration
		want     codes.Code
	}{
		"nothing":                    {nil, time.Hour, 3, 0, codes.Unavailable},
		"never":                      {[]string{"-1"}, time.Hour, 1, 0, codes.Unavailable},
		"later":                      {[]string{"700"}, time.Hour, 3, 1400 * time.Millisecond, codes.Unavailable},
		"after the deadline":         {[]string{"7000"}, 5 * time.Second, 1, 0, codes.Unavailable},
		"the second after it":        {[]string{"700"}, time.Second, 2, 700 * time.Millisecond, codes.Unavailable},
		"not a number":               {[]string{"soon"}, time.Hour, 1, 0, codes.Unavailable},
		"the caller gives up before": {[]string{"50000"}, 0, 1, 10 * time.Second, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, pushingBack(c.values...))
				client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 3)
				ctx, cancel := context.WithCancel(t.Context())
				if c.deadline > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), c.deadline)
				} else {
					time.AfterFunc(10*time.Second, cancel)
				}
				defer cancel()
				start := time.Now()
				_, err := lbtest.ServedBy(ctx, client)
				require.Equal(t, c.want, status.Code(err), "%v", err)
				assert.InDelta(t, c.took, time.Since(start), float64(50*time.Millisecond))
				calls := 0
				for i := range 3 {
					calls += cluster.Calls(i)
				}
				assert.Equal(t, c.calls, calls)
			})
		})
	}
}
