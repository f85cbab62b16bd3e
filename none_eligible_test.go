package cantonlb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// down returns a cluster of which no endpoint is eligible: one server reports that it
// does not serve, one refuses connections, and one hangs.
func down(t *testing.T, cfg cantonlb.Config) (*lbtest.Cluster, *cantonlb.Client) {
	t.Helper()
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.OnTCP())
	client := clientkit.Connect(t, cluster, cfg, 3)
	cluster.SetServing(0, "", false)
	cluster.Kill(1)
	cluster.Hang(2)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 && !s.NoneEligibleSince.IsZero() })
	return cluster, client
}

func TestWithNobodyEligibleFailFastCallsNameEachEndpointAndItsReason(t *testing.T) {
	_, client := down(t, cantonlb.Config{})
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	none := noneEligible(t, err)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.Regexp(t, `^no eligible endpoint of 3: `+
		`server0 unhealthy \(not_serving, [0-9.]+m?s\), `+
		`server1 unreachable \(dial tcp 127\.0\.0\.1:\d+: connect: connection refused(; next try in [0-9.]+m?s)?\), `+
		`server2 unhealthy \(probe_timeout, [0-9.]+m?s: no answer within 300ms\)$`, err.Error())
	assert.Equal(t, 3, none.Of)
	require.Len(t, none.Endpoints, 3)
	assert.Equal(t, report.ReasonNotServing, none.Endpoints[0].Reason)
	assert.Equal(t, report.StateUnreachable, none.Endpoints[1].State)
	assert.NoError(t, errors.Unwrap(err))

	stream, err := lbtest.Ticks(testkit.Context(t), client, time.Second)
	if err == nil {
		_, err = stream.Recv()
	}
	_ = noneEligible(t, err)
}

func TestWithNobodyEligibleACallThatWaitsForReadySaysAtItsDeadlineWhomItWaitedFor(t *testing.T) {
	_, client := down(t, cantonlb.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := lbtest.ServedBy(ctx, client, grpc.WaitForReady(true))
	_ = noneEligible(t, err)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "deadline exceeded while waiting: no eligible endpoint of 3: server0 unhealthy")

	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = lbtest.ServedBy(ctx, client, grpc.WaitForReady(true))
	_ = noneEligible(t, err)
	assert.Equal(t, codes.Canceled, status.Code(err))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestWithNobodyEligibleCallsWaitIfTheConfigSaysSo(t *testing.T) {
	cluster, client := down(t, cantonlb.Config{NoneEligible: cantonlb.Wait})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := lbtest.ServedBy(ctx, client)
	_ = noneEligible(t, err)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))

	time.AfterFunc(20*time.Millisecond, func() { cluster.SetServing(0, "", true) })
	who, err := lbtest.ServedBy(testkit.Context(t), client)
	assert.NoError(t, err)
	assert.Equal(t, "server0", who)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.NoneEligibleSince.IsZero() })
}

func TestWithNobodyEligibleCallsGoToTheConnectedIfTheConfigSaysSo(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.OnTCP())
	client := clientkit.Connect(t, cluster, cantonlb.Config{NoneEligible: cantonlb.FailOpen}, 3)
	cluster.SetServing(0, "", false)
	cluster.SetServing(1, "", false)
	cluster.Kill(2)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return !s.NoneEligibleSince.IsZero() })
	seen := map[string]int{}
	for range 20 {
		who, err := lbtest.ServedBy(testkit.Context(t), client)
		require.NoError(t, err)
		seen[who]++
	}
	assert.Equal(t, map[string]int{"server0": 10, "server1": 10}, seen)

	cluster.Kill(0)
	cluster.Kill(1)
	require.Eventually(t, func() bool {
		_, err := lbtest.ServedBy(testkit.Context(t), client)
		var none *cantonlb.NoEligibleError
		ok := errors.As(err, &none) // or a call that was caught by the kill
		return ok && len(none.Endpoints) == 3
	}, testkit.Patience, time.Millisecond)
}

func TestNoEligibleErrorIsBoundedForLongListsAndHostileTexts(t *testing.T) {
	cluster := lbtest.NewCluster(t, 100, lbtest.RegisterEcho)
	for i := range 100 {
		cluster.FailHealthCalls(i, codes.Internal, strings.Repeat("\x1b[31mgotcha\n", 1_000))
		cluster.FailHealthWatches(i, codes.Unimplemented, "")
	}
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 0)
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	none := noneEligible(t, err)
	assert.Equal(t, 100, none.Of)
	assert.Less(t, len(err.Error()), 4096)
	assert.Contains(t, err.Error(), " and 92 more")
	assert.NotContains(t, err.Error(), "\n")
	assert.NotContains(t, err.Error(), "\x1b")
}

func TestAServersOwnUnavailableIsNotMistakenForNobodyEligible(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
	cluster.FailCalls(0, codes.Unavailable, "no eligible endpoint of 7: nice try")
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.NotErrorAs(t, err, new(*cantonlb.NoEligibleError))
}

func TestADeadlineOnAnEndpointIsNotMistakenForNobodyEligible(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 0) // so that the call waits first, and then is sent
	cluster.SetLatency(0, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := lbtest.ServedBy(ctx, client)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.NotErrorAs(t, err, new(*cantonlb.NoEligibleError))
}
