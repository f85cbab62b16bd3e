package attempt

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestWhatAServerSaysAboutRetriesIsHeeded(t *testing.T) {
	unavailable := status.Error(codes.Unavailable, "")
	for name, c := range map[string]struct {
		trailer metadata.MD
		again   bool
		pause   time.Duration
	}{
		"nothing":           {nil, true, 0},
		"another trailer":   {metadata.Pairs("a", "b"), true, 0},
		"at once":           {metadata.Pairs(pushbackTrailer, "0"), true, 0},
		"later":             {metadata.Pairs(pushbackTrailer, "250"), true, 250 * time.Millisecond},
		"never":             {metadata.Pairs(pushbackTrailer, "-1"), false, 0},
		"no number":         {metadata.Pairs(pushbackTrailer, "soon"), false, 0},
		"empty":             {metadata.Pairs(pushbackTrailer, ""), false, 0},
		"a fraction":        {metadata.Pairs(pushbackTrailer, "1.5"), false, 0},
		"more than an hour": {metadata.Pairs(pushbackTrailer, "3600001"), false, 0},
		"beyond 64 bits":    {metadata.Pairs(pushbackTrailer, "99999999999999999999"), false, 0},
		"two values":        {metadata.Pairs(pushbackTrailer, "1", pushbackTrailer, "2"), false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &Record{Max: 3, Rescuable: true}
			r.Picked(t.Context(), "seq1", "")
			r.Done(balancer.DoneInfo{Err: unavailable, BytesSent: true, BytesReceived: true, Trailer: c.trailer})
			assert.Equal(t, c.again, r.Again(unavailable), name)
			assert.Equal(t, c.pause, r.Pause(), name)
			time.Sleep(c.pause / 5)
			assert.Equal(t, c.pause*4/5, r.Pause(), "%s: it counts from the server's answer", name)
			time.Sleep(c.pause)
			assert.Zero(t, r.Pause(), name)
		})
	}
}

// What a server says to a hedge holds for the call.
func TestWhatAServerSaysToAHedgeHoldsForTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := func(r *Record, value string) {
			r.Done(balancer.DoneInfo{
				Err: status.Error(codes.Unavailable, ""), BytesSent: true, BytesReceived: true, Trailer: metadata.Pairs(pushbackTrailer, value),
			})
		}
		r, ctx := hedgeable(t)
		r.Max = 9
		r.Picked(ctx, "seq1", "")
		for _, value := range []string{"250", "100"} {
			h := r.NewHedge(nil, nil)
			h.Picked(ctx, "seq"+value, "")
			says(h, value)
		}
		assert.Equal(t, 250*time.Millisecond, r.Pause(), "the longer one")
		never := r.NewHedge(nil, nil)
		never.Picked(ctx, "seq3", "")
		says(never, "-1")
		r.Rescue("seq1")
		require.NoError(t, ctx.Err(), "there may be no other attempt")
		r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, ""), BytesSent: true})
		assert.False(t, r.MayAgain(status.Error(codes.Unavailable, "")))
	})
}
