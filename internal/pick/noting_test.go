package pick

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// The budget is asked between the choice of an endpoint and the attempt: what else the
// call does meanwhile is what it does at the same time.
func TestAHedgeGoesElsewhereIfAnotherAttemptIsThereFirst(t *testing.T) {
	for range 20 {
		room, conns := withStreams(mostStreams, mostStreams, mostStreams)
		p := published(room, conns, Snapshot{})
		r := &attempt.Record{Rescuable: true, Max: 10}
		require.True(t, r.Picked(t.Context(), "a", ""))
		asked := 0
		h := r.NewHedge(func() bool {
			asked++
			return r.Picked(t.Context(), "b", "")
		}, nil)
		result, err := p.Pick(balancer.PickInfo{Ctx: attempt.NewContext(t.Context(), h)})
		require.NoError(t, err)
		assert.Equal(t, "c", nameOf(result))
		assert.Equal(t, 1, asked)
		assert.Zero(t, conns[1].Counts().InFlight)
		result.Done(balancer.DoneInfo{})
	}
}

func TestAPickThatComesAfterTheLastAttemptIsSpent(t *testing.T) {
	room, conns := withStreams(mostStreams, mostStreams)
	p := published(room, conns, Snapshot{})
	r := &attempt.Record{Rescuable: true, Max: 2}
	require.True(t, r.Picked(t.Context(), "a", ""))
	h := r.NewHedge(func() bool { return r.Picked(t.Context(), "a", "") }, nil)
	_, err := p.Pick(balancer.PickInfo{Ctx: attempt.NewContext(t.Context(), h)})
	require.ErrorIs(t, err, errNoOther)
	_, err = p.Pick(balancer.PickInfo{Ctx: attempt.NewContext(t.Context(), r)})
	require.True(t, IsSpent(err))
	for _, c := range conns {
		assert.Zero(t, c.Counts().InFlight)
	}
}
