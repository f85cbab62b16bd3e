package report_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
)

func sharded() report.RouterStatus {
	return report.RouterStatus{
		Name: "shards", At: now, Default: "p1", Parties: 5, Users: 2, LookUps: 1, Hits: 10, Misses: 3,
		Shards: []report.ShardStatus{
			{Name: "p1", Participant: "p1::1220", State: report.ShardLive, GRPC: report.ShardLive, Parties: 4, LooksUp: true, Listed: true, Refreshed: now,
				Requests: 9, Answers: map[report.ShardStanding]uint64{report.ShardHosted: 4}},
			{Name: "p2", State: report.ShardDegraded, GRPC: report.ShardDown, JSON: report.ShardLive, LastError: "down"},
			{Name: "p3", State: report.ShardDistrusted, Detail: "another one"}, {Name: "p4", State: report.ShardDown},
		},
		Refused: map[report.Reason]uint64{report.ReasonShardNowhere: 2, report.ReasonShardMoved: 1},
		Events:  []report.ShardEventCount{{Kind: report.ShardEventMoved, Shard: "p1", Count: 1}},
		File:    &report.FileStatus{Path: "lb.yaml", LoadedAt: now},
	}
}

func TestTheShardsOfADocumentCanBeReadAgain(t *testing.T) {
	d := report.Document{
		Status: full(), Routers: []report.RouterStatus{sharded()},
		ShardEvents: []report.ShardEvent{{Number: 1, At: now, Kind: report.ShardEventMoved, Shard: "p1", Detail: "x"}},
	}
	text, err := json.Marshal(d)
	require.NoError(t, err)
	var got report.Document
	require.NoError(t, json.Unmarshal(text, &got))
	again, err := json.Marshal(got)
	require.NoError(t, err)
	assert.JSONEq(t, string(text), string(again))
	assert.Equal(t, 2, got.Routers[0].Live())
	assert.EqualValues(t, 3, got.Routers[0].AllRefused())
	text, err = json.Marshal(report.ShardStatus{Name: "p1"})
	require.NoError(t, err)
	assert.NotContains(t, string(text), "refreshed")
}

func TestAnEventOfAShardIsOneLine(t *testing.T) {
	for want, e := range map[string]report.ShardEvent{
		`discovery_failed: shard "p2": Unavailable: refused`: {Kind: report.ShardEventDiscoveryFailed, Shard: "p2", Detail: "Unavailable: refused"},
		`shards: 2 shards`:               {Kind: report.ShardEventShards, Detail: "2 shards"},
		`discovery_regained: shard "p2"`: {Kind: report.ShardEventDiscoveryRegained, Shard: "p2"},
	} {
		assert.Equal(t, want, e.String())
		assert.Equal(t, e.Kind == report.ShardEventDiscoveryFailed, e.Bad())
	}
	assert.Equal(t, `"p1" hosted with submission (x)`,
		report.ShardAnswer{Shard: "p1", Standing: report.ShardHosted, Permission: report.ShardSubmission, Detail: "x"}.String())
	assert.True(t, report.PartyExplanation{Routes: []report.PartyRoute{{}, {Shards: []string{"p1"}}}}.Routed())
	assert.False(t, report.PartyExplanation{Routes: []report.PartyRoute{{Reason: report.ReasonShardNowhere}}}.Routed())
	assert.True(t, report.UserExplanation{Routes: []report.PartyRoute{{}, {Shards: []string{"p1"}}}}.Routed())
	assert.False(t, report.UserExplanation{}.Routed())
}
