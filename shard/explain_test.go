package shard

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/report"
)

func TestAnExplanationSaysWhereEachRequestGoes(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice", "bob"), newParticipant(t, "p2", "bob", "carol")
	p1.parties["carol"] = PermissionObservation
	r := newRouter(t, Config{SpreadReads: true}, p1, p2)
	const several = `shard: party "bob": on several shards, of which none is preferred: "p1", "p2"`
	for party, want := range map[string][]report.PartyRoute{
		"alice": {
			{Request: report.PartyRead, Shards: []string{"p1"}}, {Request: report.PartyPinned, Shards: []string{"p1"}},
			{Request: report.PartySubmission, Shards: []string{"p1"}},
		},
		"bob": {
			{Request: report.PartyRead, Shards: []string{"p1", "p2"}},
			{Request: report.PartyPinned, Reason: report.ReasonShardAmbiguous, Error: several},
			{Request: report.PartySubmission, Reason: report.ReasonShardAmbiguous, Error: several},
		},
		"carol": {
			{Request: report.PartyRead, Shards: []string{"p1", "p2"}},
			{Request: report.PartyPinned, Reason: report.ReasonShardAmbiguous, Error: `shard: party "carol": on several shards, of which none is preferred: "p1", "p2"`},
			{Request: report.PartySubmission, Shards: []string{"p2"}},
		},
		"dave": {
			{Request: report.PartyRead, Reason: report.ReasonShardNowhere, Error: `shard: party "dave": no shard hosts it: "p1" absent, "p2" absent`},
			{Request: report.PartyPinned, Reason: report.ReasonShardNowhere, Error: `shard: party "dave": no shard hosts it: "p1" absent, "p2" absent`},
			{Request: report.PartySubmission, Reason: report.ReasonShardNowhere,
				Error: `shard: party "dave": no shard hosts it with the permission to submit: "p1" absent, "p2" absent`},
		},
	} {
		x, err := r.Explain(testkit.Context(t), party)
		require.NoError(t, err)
		assert.Equal(t, want, x.Routes)
		assert.Equal(t, party != "dave", x.Routed())
		for i, kind := range []Request{
			{Kind: KindRead, Parties: []string{party}}, {Parties: []string{party}}, {Kind: KindSubmission, ActAs: []string{party}},
		} {
			target, err := r.Route(testkit.Context(t), kind)
			if want[i].Error != "" {
				require.EqualError(t, err, want[i].Error, "requests get what the explanation says")
				continue
			}
			require.NoError(t, err)
			assert.Contains(t, want[i].Shards, target.Name)
		}
	}
	x, err := r.Known("carol")
	require.NoError(t, err)
	assert.Equal(t, "p2", x.Home, "it took a submission")
}

func TestAnExplanationOfAUserSaysWhereItsRequestsGo(t *testing.T) {
	p1, p2, p3 := newParticipant(t, "p1", "alice", "bob"), newParticipant(t, "p2", "carol"), newParticipant(t, "p3")
	p1.users["ann"] = fakeUser{primary: "alice"}
	p1.users["both"], p2.users["both"] = fakeUser{primary: "alice"}, fakeUser{primary: "alice"}
	p1.users["rights"], p2.users["rights"] = fakeUser{actAs: []string{"carol"}}, fakeUser{actAs: []string{"carol"}, readAs: []string{"dave"}}
	r := newRouter(t, Config{Order: []string{"p2"}, SpreadReads: true}, p1, p2, p3)
	type want struct {
		answers                  [3]report.UserAnswer
		shard, contextShard      string
		refusal, contextsRefusal report.Reason
	}
	has := func(shard string, hosts Standing, parties ...string) report.UserAnswer {
		return report.UserAnswer{ShardAnswer: Answer{Shard: shard, Standing: StandingHosted}, Parties: parties, Hosts: hosts}
	}
	none := func(shard string) report.UserAnswer {
		return report.UserAnswer{ShardAnswer: Answer{Shard: shard, Standing: StandingAbsent}}
	}
	for user, w := range map[string]want{
		"ann": {answers: [3]report.UserAnswer{has("p1", "", "alice"), none("p2"), none("p3")}, shard: "p1", contextShard: "p1"},
		"both": {
			answers: [3]report.UserAnswer{has("p1", StandingHosted, "alice"), has("p2", StandingAbsent, "alice"), none("p3")},
			refusal: report.ReasonShardAmbiguous, contextShard: "p1",
		},
		"rights": {
			answers: [3]report.UserAnswer{has("p1", StandingAbsent, "carol"), has("p2", StandingHosted, "carol", "dave"), none("p3")},
			refusal: report.ReasonShardAmbiguous, contextShard: "p2",
		},
		"participant_admin": {
			answers: [3]report.UserAnswer{has("p1", StandingAbsent), has("p2", StandingAbsent), has("p3", StandingAbsent)},
			refusal: report.ReasonShardAmbiguous, contextsRefusal: report.ReasonShardAmbiguous,
		},
		"nobody": {
			answers: [3]report.UserAnswer{none("p1"), none("p2"), none("p3")},
			refusal: report.ReasonShardNowhere, contextsRefusal: report.ReasonShardNowhere,
		},
	} {
		x, err := r.ExplainUser(testkit.Context(t), user)
		require.NoError(t, err)
		assert.Equal(t, user, x.User)
		assert.Equal(t, w.answers[:], x.Answers, user)
		require.Len(t, x.Routes, 2)
		assert.Equal(t, w.refusal == "" || w.contextsRefusal == "", x.Routed())
		named, err := r.Route(testkit.Context(t), Request{User: user})
		sameRoute(t, x.Routes[0], report.UserInRequest, w.shard, w.refusal, named, err)
		found, err := r.ForUser(testkit.Context(t), user)
		sameRoute(t, x.Routes[1], report.UserInContext, w.contextShard, w.contextsRefusal, found, err)
		known, err := r.KnownUser(user)
		require.NoError(t, err)
		assert.Equal(t, x, known)
	}
	x, err := r.KnownUser("other")
	require.NoError(t, err)
	assert.Equal(t, report.ReasonShardNotKnown, x.Routes[0].Reason)
	assert.Equal(t, "not asked", x.Answers[0].Detail)
	_, err = r.KnownUser("")
	require.EqualError(t, err, "shard: KnownUser: user: empty: want an ID")
	_, err = r.ExplainUser(testkit.Context(t), "")
	require.EqualError(t, err, "shard: ExplainUser: user: empty: want an ID")
	require.NoError(t, r.Close())
	_, err = r.ExplainUser(testkit.Context(t), "ann")
	require.ErrorIs(t, err, ErrClosed)
}

// sameRoute compares a route with what is wanted, and with what a request gets.
func sameRoute(t *testing.T, got report.PartyRoute, request report.PartyRequest, shard string, refusal report.Reason, target Target, err error) {
	t.Helper()
	want := report.PartyRoute{Request: request, Reason: refusal}
	if refusal == "" {
		require.NoError(t, err)
		want.Shards = []string{shard}
		assert.Equal(t, shard, target.Name, "requests go where the explanation says")
	} else {
		require.Error(t, err)
		want.Error = err.Error()
	}
	assert.Equal(t, want, got)
}

func TestAnExplanationChangesNothing(t *testing.T) {
	p1 := newParticipant(t, "p1", "alice")
	r := newRouter(t, Config{}, p1)
	x, err := r.Known("alice")
	require.NoError(t, err)
	asked := p1.count("GetConnectedSynchronizers")
	assert.Zero(t, asked)
	assert.Equal(t, report.ReasonShardNotKnown, x.Routes[0].Reason)
	_, err = r.Known("")
	require.EqualError(t, err, "shard: Known: party: empty: want an ID")
	x, err = r.Explain(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Empty(t, x.Home)
	x, err = r.Known("alice")
	require.NoError(t, err)
	assert.Equal(t, []string{"p1"}, x.Routes[2].Shards)
	assert.Empty(t, x.Home)
	s := r.Status()
	assert.Zero(t, s.Hits+s.Misses+s.AllRefused(), "it is no request")
}

func TestAnExplanationEndsWithItsContext(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2")
	p2.stall(t)
	r := newRouter(t, Config{LookUpTimeout: time.Minute}, p1, p2)
	ctx, cancel := context.WithCancel(testkit.Context(t))
	found := make(chan Explanation)
	go func() {
		x, _ := r.Explain(ctx, "alice")
		found <- x
	}()
	eventually(t, func() bool {
		x, err := r.Known("alice")
		return err == nil && x.Answers[0].Standing == StandingHosted
	})
	cancel()
	x := testkit.Receive(t, found)
	assert.Equal(t, Answer{Shard: "p2", Standing: StandingUnknown, Detail: "no answer yet"}, x.Answers[1])
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Empty(t, r.asking[key{party: "alice"}].waiters)
}

func TestAnExplanationOfAnotherParticipantIsThatItGetsNothing(t *testing.T) {
	p1 := newParticipant(t, "p1")
	r := routerOf(t, map[string]Shard{"p1": {Client: p1.conn, Participant: "p9::1220", Parties: []string{"alice"}}}, Config{})
	ready(t, r)
	x, err := r.Explain(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, report.ReasonShardNotKnown, x.Routes[0].Reason)
	assert.Contains(t, x.Routes[0].Error, `participant id "p1::1220"; want "p9::1220"`)
}

func TestWhatHasBecomeOfRequestsIsCounted(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice", "bob"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{Name: "shards-1"}, p1, p2)
	ctx := testkit.Context(t)
	ready(t, r)
	for range 3 {
		require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	}
	require.Error(t, call(ctx, r, "Submit", submit(t, "bob")))
	require.Error(t, call(ctx, r, "Submit", submit(t, "nobody")))
	require.Error(t, call(ctx, r, "Order", message(t, "example.shop.OrderRequest", `{}`)))
	require.Error(t, call(WithShard(ctx, "p3"), r, "Order", message(t, "example.shop.OrderRequest", `{}`)))
	s := r.Status()
	assert.Equal(t, "shards-1", s.Name)
	assert.Equal(t, map[report.Reason]uint64{
		report.ReasonShardAmbiguous: 1, report.ReasonShardNowhere: 1, report.ReasonShardUnrouted: 1, report.ReasonShardUnknown: 1,
	}, s.Refused)
	assert.EqualValues(t, 2, s.Hits)
	assert.EqualValues(t, 3, s.Misses)
	assert.EqualValues(t, 3, s.Shards[0].Requests)
	assert.Equal(t, map[Standing]uint64{StandingHosted: 2, StandingAbsent: 1, StandingUnknown: 0}, s.Shards[0].Answers)
	require.NoError(t, r.Update(shards(p2)))
	assert.Equal(t, []report.ShardEventCount{{Kind: EventShards, Count: 1}}, r.Status().Events)
}

func TestEachRefusalHasItsReasonAndItsStatus(t *testing.T) {
	unknown := []Answer{{Shard: "p1", Standing: StandingUnknown}}
	for _, x := range []struct {
		err    error
		reason report.Reason
		code   codes.Code
	}{
		{&NowhereError{Party: "a"}, report.ReasonShardNowhere, codes.NotFound},
		{&NowhereError{Party: "a", Asked: unknown}, report.ReasonShardNotKnown, codes.Unavailable},
		{&AmbiguousError{}, report.ReasonShardAmbiguous, codes.FailedPrecondition},
		{&SplitError{}, report.ReasonShardSplit, codes.FailedPrecondition},
		{&SplitError{Unknown: []string{"p1"}}, report.ReasonShardNotKnown, codes.Unavailable},
		{&UndecidedError{}, report.ReasonShardUnsettled, codes.Unavailable},
		{&MovedError{}, report.ReasonShardMoved, codes.FailedPrecondition},
		{&UnroutedError{}, report.ReasonShardUnrouted, codes.FailedPrecondition},
		{&UnknownShardError{}, report.ReasonShardUnknown, codes.FailedPrecondition},
		{&RequestError{}, report.ReasonShardUnreadable, codes.InvalidArgument},
		{&ClientError{}, report.ReasonShardNoClient, codes.FailedPrecondition},
		{&IdentityError{}, report.ReasonShardDistrusted, codes.Unavailable},
		{&endedError{cause: context.DeadlineExceeded}, report.ReasonShardTimeout, codes.DeadlineExceeded},
		{&endedError{cause: context.Canceled}, report.ReasonShardTimeout, codes.Canceled},
		{ErrClosed, report.ReasonShardClosed, codes.Canceled},
	} {
		err := refuse(x.err)
		assert.Equal(t, x.reason, reasonOf(err), "%T", x.err)
		assert.Equal(t, x.code, status.Code(err), "%T", x.err)
		assert.Equal(t, x.err.Error(), status.Convert(err).Message())
		require.ErrorIs(t, err, x.err)
		assert.Equal(t, err, refuse(err), "once")
	}
	other := errors.New("other")
	assert.Equal(t, other, refuse(other))
	assert.Equal(t, report.ReasonOther, reasonOf(other))
	require.NoError(t, refuse(nil))
}
