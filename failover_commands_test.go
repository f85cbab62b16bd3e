package cantonlb_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func TestCommandsMoveTheActiveOrAreRefusedWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		c.SetServing(2, "", false)
		client := clientkit.Connect(t, c, activePassive(), 2)
		refused := func(err error, text string, reason report.Reason) {
			t.Helper()
			var r *cantonlb.RefusedError
			require.ErrorAs(t, err, &r)
			assert.EqualError(t, err, "cantonlb: "+text)
			assert.Equal(t, reason, r.Reason)
		}
		synctest.Wait() // until server2 is known to be passive
		require.NoError(t, client.Switch(t.Context(), "server1"))
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))
		refused(client.Switch(t.Context(), "server2"), `switch "server2" refused: it is not eligible (not_serving)`, report.ReasonNotServing)
		refused(client.Switch(t.Context(), "x"), `switch "x" refused: no such endpoint in the list`, report.ReasonNone)

		require.NoError(t, client.Pin("server0"))
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, client, 10))
		assert.Equal(t, "server0", client.Status().Failover.Pinned)
		refused(client.Drain("server0"), `drain "server0" refused: it is pinned: unpin it first (pinned)`, report.ReasonPinned)
		c.SetServing(0, "", false)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := lbtest.ServedBy(ctx, client)
		cancel()
		assert.ErrorContains(t, err, "the active endpoint is pinned to server0")
		require.NoError(t, client.Unpin())
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))

		refused(client.Drain("server1"), `drain "server1" refused: no other endpoint could be active (no_standby)`, report.ReasonNoStandby)
		c.SetServing(0, "", true)
		require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
		require.NoError(t, client.Drain("server1"))
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, client, 10))
		require.NoError(t, client.Undrain("server1"))
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, client, 10))
		assert.Equal(t, []string{
			"server0>server1 by_hand", "server1>server0 pinned", "server0>server1 not_serving", "server1>server0 drained",
		}, switches(client))

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, client.Switch(ended, "server1"), context.Canceled)
	})
}

func TestOnceAClientIsClosedNoEndpointIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientkit.Connect(t, lbtest.NewCluster(t, 2, lbtest.RegisterEcho), cantonlb.Config{Policy: cantonlb.ActivePassive}, 2)
		require.NoError(t, client.Pin("server1"))
		time.Sleep(time.Minute)
		require.NoError(t, client.Close())
		f := client.Status().Failover
		f.Reasons = nil
		assert.Equal(t, cantonlb.FailoverStatus{Since: time.Now(), Last: "server1", Switches: 2, Pinned: "server1"}, *f)
	})
}

func TestCommandsNeedThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientkit.Connect(t, lbtest.NewCluster(t, 1, lbtest.RegisterEcho), cantonlb.Config{}, 1)
		const want = "cantonlb: the policy healthy_round_robin picks every eligible endpoint in turn: " +
			"there is no active one to choose; want the policy active_passive"
		assert.EqualError(t, client.Switch(t.Context(), "server0"), want)
		assert.EqualError(t, client.Pin("server0"), want)
		assert.EqualError(t, client.Unpin(), want)
		assert.Nil(t, client.Status().Failover)
		require.NoError(t, client.Close())
		assert.EqualError(t, client.Pin("server0"), "cantonlb: the client is closed")
	})
}
