package attempt

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
		r := &Record{Max: 3, Rescuable: true}
		r.Picked(context.Background(), "seq1", "")
		r.Done(balancer.DoneInfo{Err: unavailable, BytesSent: true, BytesReceived: true, Trailer: c.trailer})
		assert.Equal(t, c.again, r.Again(unavailable), name)
		assert.Equal(t, c.pause, r.Pause(), name)
		r.Picked(context.Background(), "seq2", "")
		assert.Zero(t, r.Pause(), "%s: of the attempt before", name)
	}
}
