package otelmetrics_test

import (
	"log/slog"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/otelmetrics"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/shard"
)

// What is exported is what the router says of itself.
func TestTheMetricsOfARouterAreThoseOfItsStatus(t *testing.T) {
	conn, err := grpc.NewClient("passthrough:///p1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	r, err := shard.New(map[string]shard.Shard{
		"p1": {Client: conn, NoDiscovery: true, Parties: []string{"alice"}, Live: func() bool { return true }},
		"p2": {Client: conn, NoDiscovery: true},
	}, shard.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	c := newCollector()
	stop, err := otelmetrics.ObserveShards(r, otelmetrics.WithMeterProvider(c))
	require.NoError(t, err)
	_, err = otelmetrics.ObserveShards(r, otelmetrics.WithMeterProvider(c))
	require.ErrorContains(t, err, `cantonlb.router "shards" is observed already`)
	_, err = r.Route(t.Context(), shard.Request{Parties: []string{"alice"}})
	require.NoError(t, err)
	_, err = r.Route(t.Context(), shard.Request{Parties: []string{"bob"}})
	require.Error(t, err)
	of := func(shard, state string, requests float64) map[string]float64 {
		return map[string]float64{
			"cantonlb.shard.state{shards," + shard + "," + state + "}": 1, "cantonlb.shard.requests{shards," + shard + "}": requests,
			"cantonlb.shard.parties{shards," + shard + "}": 0, "cantonlb.shard.users{shards," + shard + "}": 0,
			"cantonlb.shard.discovery_failing{shards," + shard + "}": 0, "cantonlb.shard.look_ups{shards," + shard + ",hosted}": 0,
			"cantonlb.shard.look_ups{shards," + shard + ",absent}": 0, "cantonlb.shard.look_ups{shards," + shard + ",unknown}": 0,
		}
	}
	want := map[string]float64{
		"cantonlb.router.hits{shards}": 2, "cantonlb.router.misses{shards}": 0, "cantonlb.router.parties{shards}": 0,
		"cantonlb.router.users{shards}": 0, "cantonlb.router.look_ups_in_flight{shards}": 0,
		"cantonlb.router.refused{nowhere,shards}": 1,
	}
	for _, m := range []map[string]float64{of("p1", "live", 1), of("p2", "down", 0)} {
		maps.Copy(want, m)
	}
	want["cantonlb.shard.parties{shards,p1}"] = 1
	assert.Equal(t, want, c.collect(t))
	require.NoError(t, stop())
	assert.Empty(t, c.collect(t))
}

// router is the status of a router that a test makes up.
type router struct{ report.RouterStatus }

func (r router) Status() report.RouterStatus { return r.RouterStatus }

func TestTheFileAndTheEventsOfARouterAreExported(t *testing.T) {
	c := newCollector()
	_, err := otelmetrics.ObserveShards(router{report.RouterStatus{
		Name: "r", Refused: map[report.Reason]uint64{"no reason": 3}, File: &report.FileStatus{Reloads: 2, Failures: 1},
		Shards: []report.ShardStatus{{Name: "p1", State: report.ShardDistrusted, LastError: "down"}},
		Events: []report.ShardEventCount{{Kind: report.ShardEventMoved, Shard: "p1", Count: 4}},
	}}, otelmetrics.WithMeterProvider(c))
	require.NoError(t, err)
	got := c.collect(t)
	for name, value := range map[string]float64{
		"cantonlb.router.refused{other,r}": 3, "cantonlb.router.reloads{accepted,r}": 2, "cantonlb.router.reloads{refused,r}": 1,
		"cantonlb.shard.state{r,p1,distrusted}": 1, "cantonlb.shard.discovery_failing{r,p1}": 1, "cantonlb.shard.events{r,p1,moved}": 4,
	} {
		assert.Contains(t, got, name)
		assert.InDelta(t, value, got[name], 0, name)
	}
}
