package shard

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

func TestAPartyIsFoundOnTheShardThatHostsIt(t *testing.T) {
	r := newRouter(t, Config{}, newParticipant(t, "p1", "alice::1"), newParticipant(t, "p2", "bob::1"))
	for party, want := range map[string]string{"alice::1": "p1", "bob::1": "p2"} {
		target, err := r.For(testkit.Context(t), party)
		require.NoError(t, err)
		assert.Equal(t, want, target.Name)
		assert.NotNil(t, target.Client)
	}
}

func TestAPartyNowhereIsAnErrorThatNamesWhoWasAsked(t *testing.T) {
	r := newRouter(t, Config{}, newParticipant(t, "p1", "alice::1"), newParticipant(t, "p2"))
	_, err := r.For(testkit.Context(t), "carol::1")
	var nowhere *NowhereError
	require.ErrorAs(t, err, &nowhere)
	assert.Equal(t, "carol::1", nowhere.Party)
	assert.True(t, nowhere.Definite())
	assert.Equal(t, []Answer{{Shard: "p1", Standing: StandingAbsent}, {Shard: "p2", Standing: StandingAbsent}}, nowhere.Asked)
	assert.Equal(t, codes.NotFound, status.Code(err))
	assert.EqualError(t, err, `shard: party "carol::1": no shard hosts it: "p1" absent, "p2" absent`)
}

func TestAContextNamesTheShard(t *testing.T) {
	r := newRouter(t, Config{}, newParticipant(t, "p1", "alice::1"), newParticipant(t, "p2", "bob::1"))
	ctx := testkit.Context(t)
	local := Request{Method: "GetLedgerEnd", Kind: KindLocal}
	_, err := r.Route(ctx, local)
	var unrouted *UnroutedError
	require.ErrorAs(t, err, &unrouted)
	target, err := r.Route(WithParty(ctx, "bob::1"), local)
	require.NoError(t, err)
	assert.Equal(t, "p2", target.Name)
	target, err = r.Route(WithShard(ctx, "p1"), local)
	require.NoError(t, err)
	assert.Equal(t, "p1", target.Name)
	_, err = r.Route(WithShard(ctx, "p3"), local)
	require.EqualError(t, err, `shard: no shard "p3": want one of "p1", "p2"`)
	_, err = r.Route(WithParty(WithParty(ctx, "bob::1"), "alice::1"), local)
	require.EqualError(t, err, `shard: no shard has all parties of the request: party "bob::1" on "p2", party "alice::1" on "p1"`)
}
