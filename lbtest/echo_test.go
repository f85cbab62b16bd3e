package lbtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestEchoReturnsTheMessage(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)

	got, err := lbtest.Echo(testkit.Context(t), dial(t, c, 0), "Grüezi")
	require.NoError(t, err)
	assert.Equal(t, "Grüezi", got)
}

func TestTicksCountsFromZeroAndNamesItsServer(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	var header metadata.MD
	ticks, err := lbtest.Ticks(testkit.Context(t), dial(t, c, 0), time.Millisecond, grpc.Header(&header))
	require.NoError(t, err)

	for want := range uint64(3) {
		got, err := ticks.Recv()
		require.NoError(t, err)
		assert.Equal(t, want, got.GetValue())
	}
	header, err = ticks.Header()
	require.NoError(t, err)
	assert.Equal(t, []string{"server0"}, header.Get(lbtest.ServerHeader))
}

func TestTicksRejectsAnIntervalThatIsTooShort(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	var trailer metadata.MD
	ticks, err := lbtest.Ticks(testkit.Context(t), dial(t, c, 0), 0, grpc.Trailer(&trailer))
	require.NoError(t, err)

	_, err = ticks.Recv()
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
	assert.ErrorContains(t, err, "interval: 0s: want 1ms or more")
	assert.Equal(t, []string{"server0"}, ticks.Trailer().Get(lbtest.ServerHeader))
}

func TestCallsOfAServerThatIsDownReturnTheirError(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	c.Kill(0)
	conn := dial(t, c, 0)

	_, err := lbtest.ServedBy(testkit.Context(t), conn)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.ErrorContains(t, err, "connection refused")
	_, err = lbtest.Ticks(testkit.Context(t), conn, time.Second)
	assert.Equal(t, codes.Unavailable, status.Code(err))
}
