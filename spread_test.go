package cantonlb_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestClientSpreadsCallsByWeightAndKeepsConnectionsWhenItChanges(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	list := clientkit.Endpoints(cluster)
	list[0].Weight, list[1].Weight, list[2].Weight = 5, 3, 2
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 3)
	assert.Equal(t, map[string]int{"server0": 50, "server1": 30, "server2": 20}, testkit.Spread(t, client, 100))
	assert.Equal(t, 5, endpoint(client.Status(), "server0").Weight)

	list[0].Weight = 0
	require.NoError(t, client.Update(list))
	assert.Equal(t, map[string]int{"server0": 10, "server1": 30, "server2": 20}, testkit.Spread(t, client, 60))
	for i := range 3 {
		assert.Equal(t, 1, cluster.Server(i).TotalConns(), "server%d", i)
	}
}

func TestClientPrefersItsZoneAndSaysWhenItLeavesIt(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	list := clientkit.Endpoints(cluster)
	list[0].Zone, list[1].Zone, list[2].Zone = "eu", "eu", "us"
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list, Zone: "eu", SpillBelow: 1}, 3)
	assert.Equal(t, map[string]int{"server0": 10, "server1": 10}, testkit.Spread(t, client, 20))
	s := client.Status()
	assert.Equal(t, "eu", s.Zone)
	assert.Equal(t, "us", endpoint(s, "server2").Zone)
	assert.False(t, s.Spilled)
	assert.Empty(t, s.Notes)

	cluster.SetServing(0, "", false)
	s = clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Spilled })
	assert.Equal(t, []string{`too few endpoints of zone "eu" are eligible: calls go to all zones`}, s.Notes)
	assert.Equal(t, map[string]int{"server1": 10, "server2": 10}, testkit.Spread(t, client, 20))
}

func TestClientSaysThatItsZoneHasNoEndpoints(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{Zone: "asia"}, 2)
	assert.Equal(t, map[string]int{"server0": 5, "server1": 5}, testkit.Spread(t, client, 10))
	assert.Equal(t, []string{`no endpoint of the list is in zone "asia": zones do not matter`}, client.Status().Notes)
}
