package pick

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// A call goes to an endpoint that it has tried, if there is no other, but not to one that
// has rejected its token.
func TestACallDoesNotReturnToAnEndpointThatHasRejectedItsToken(t *testing.T) {
	for _, least := range []bool{false, true} {
		for name, spare := range map[string]bool{"of the zone": false, "of another zone": true} {
			room, conns := withStreams(mostStreams, mostStreams)
			s := Snapshot{Least: least}
			list := conns
			if spare {
				list, s.Spare = conns[:1], conns[1:]
			}
			p := NewPicker(room, RowOf(list), nil, s)
			r := &attempt.Record{Rescuable: true, Max: 10}
			info := balancer.PickInfo{Ctx: attempt.NewContext(t.Context(), r)}
			try := func(code codes.Code, deny bool) string {
				result, err := p.Pick(info)
				require.NoError(t, err, name)
				if deny {
					r.Deny(true)
				}
				result.Done(balancer.DoneInfo{Err: status.Error(code, ""), BytesSent: true, BytesReceived: true})
				return r.Newest().Endpoint
			}
			first := try(codes.Unauthenticated, true)
			second := try(codes.Unavailable, false)
			assert.NotEqual(t, first, second, name)
			for range 3 {
				assert.Equal(t, second, try(codes.Unavailable, false), name)
			}
			try(codes.Unauthenticated, true)
			_, err := p.Pick(info)
			assert.True(t, IsSpent(err), "%s: %v", name, err)

			conns[0].SetDoubted(true)
			_, err = p.Pick(info)
			require.ErrorIs(t, err, balancer.ErrNoSubConnAvailable, "the active endpoint may soon be another one")
			for _, c := range conns {
				c.SetEligible(false)
			}
			conns[0].SetDoubted(false)
			_, err = p.Pick(info)
			require.ErrorIs(t, err, balancer.ErrNoSubConnAvailable, "another snapshot is about to be published")
		}
	}
}
