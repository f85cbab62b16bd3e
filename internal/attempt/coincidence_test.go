package attempt

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
)

// Two attempts of a call that are picked in the same moment have both been told that they
// may be made.
func TestAttemptsThatArePickedAtTheSameTimeStayWithinTheBounds(t *testing.T) {
	for _, hedgeFirst := range []bool{false, true} {
		r, ctx := hedgeable(t)
		r.Max = 2
		require.True(t, r.Picked(ctx, "seq1", ""))
		h := r.NewHedge(nil, nil)
		require.Equal(t, Try, h.MayTry())
		r.Done(canceled)
		require.Equal(t, Try, r.MayTry())
		first, second := r, h
		if hedgeFirst {
			first, second = h, r
		}
		assert.True(t, first.Picked(ctx, "seq2", ""))
		assert.False(t, second.Picked(ctx, "seq3", ""))
		assert.Len(t, r.Attempts(), 2)
	}
}

func TestAHedgeDoesNotFollowAnotherAttemptOfTheSameMoment(t *testing.T) {
	r, ctx := hedgeable(t)
	asked := 0
	require.True(t, r.Picked(ctx, "seq1", ""))
	h := r.NewHedge(func() bool { asked++; return true }, nil)
	require.False(t, h.Tried("seq2"))
	r.Done(canceled)
	require.True(t, r.Picked(ctx, "seq2", ""))
	assert.False(t, h.Picked(ctx, "seq2", ""))
	assert.True(t, h.Picked(ctx, "seq3", ""))
	assert.Equal(t, 1, asked, "it is one hedge")
}

func TestAHedgeThatGRPCPicksAgainIsTakenFromTheBudgetOnce(t *testing.T) {
	r, ctx := hedgeable(t)
	asked := 0
	require.True(t, r.Picked(ctx, "seq1", ""))
	h := r.NewHedge(func() bool { asked++; return true }, nil)
	require.True(t, h.Picked(ctx, "seq2", ""))
	h.Done(balancer.DoneInfo{}) // grpc could not use it
	require.True(t, h.Picked(ctx, "seq2", ""))
	assert.Equal(t, 1, asked)
}
