package shard

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/rawpb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/report"
)

// ready waits until each shard was refreshed.
func ready(t testing.TB, r *Router) {
	t.Helper()
	eventually(t, func() bool {
		for _, s := range r.Status().Shards {
			if s.Refreshed.IsZero() {
				return false
			}
		}
		return true
	})
}

func TestAnAdministratorsShardsAreListedPageByPage(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "a", "b", "c", "d", "e"), newParticipant(t, "p2", "f")
	p1.foreign["c"] = true
	p1.users["u"], p1.users["v"] = fakeUser{}, fakeUser{}
	r := newRouter(t, Config{}, p1, p2)
	ready(t, r)
	s := r.Status().Shards
	assert.Equal(t, 4, s[0].Parties, "one is of another identity provider")
	assert.Equal(t, 3, s[0].Users)
	assert.Equal(t, 1, s[1].Parties)
	assert.True(t, s[0].Listed)
	assert.False(t, s[0].Truncated)
	assert.Equal(t, "p1::1220", s[0].Participant)
	assert.Equal(t, 3, p1.count("ListKnownParties"))
	target, err := r.For(testkit.Context(t), "c")
	require.NoError(t, err, "it is hosted all the same")
	assert.Equal(t, "p1", target.Name)
}

func TestAListThatIsTooLongIsCut(t *testing.T) {
	p1 := newParticipant(t, "p1")
	p1.page = 500
	for i := range 1500 {
		p1.parties["party"+time.Duration(i).String()] = PermissionSubmission
	}
	r := newRouter(t, Config{MaxParties: 1000}, p1)
	ready(t, r)
	s := r.Status()
	assert.True(t, s.Shards[0].Truncated)
	assert.LessOrEqual(t, s.Parties, 1000)
	require.Len(t, r.Events(), 1)
	assert.Equal(t, `truncated: shard "p1": it lists more than fit: maxParties is 1000, and maxUsers is 10000`, r.Events()[0].String())
	target, err := r.For(testkit.Context(t), "party1.499µs")
	require.NoError(t, err)
	assert.Equal(t, "p1", target.Name)
}

func TestWithoutRightsOnlyOwnPartiesAreFound(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	for _, p := range []*participant{p1, p2} {
		p.set(func() { p.admins = map[string]bool{"root": true} })
	}
	list := shards(p1, p2)
	for name, s := range list {
		s.Credentials = token("party:alice")
		list[name] = s
	}
	r := routerOf(t, list, Config{})
	ready(t, r)
	assert.False(t, r.Status().Shards[0].Listed)
	assert.Empty(t, r.Status().Shards[0].LastError, "that is no failure")
	target, err := r.For(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, "p1", target.Name)
	_, err = r.For(testkit.Context(t), "bob")
	var nowhere *NowhereError
	require.ErrorAs(t, err, &nowhere)
	assert.False(t, nowhere.Definite())
	require.ErrorContains(t, err, "PermissionDenied: not an admin")
	_, err = r.ForUser(testkit.Context(t), "u")
	require.ErrorAs(t, err, &nowhere)

	for name, s := range list {
		s.Credentials = token("root")
		list[name] = s
	}
	require.NoError(t, r.Update(list))
	eventually(t, func() bool { return r.Status().Shards[0].Listed && r.Status().Shards[1].Listed })
	target, err = r.For(testkit.Context(t), "bob")
	require.NoError(t, err)
	assert.Equal(t, "p2", target.Name)
}

// token is a bearer token.
type token string

func (t token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}
func (token) RequireTransportSecurity() bool { return false }

func TestAParticipantWithoutASynchronizerStillHostsItsParties(t *testing.T) {
	p1 := newParticipant(t, "p1", "alice")
	p1.offline = true
	r := newRouter(t, Config{}, p1)
	target, err := r.For(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, "p1", target.Name)

	p1.set(func() { p1.admins = nil })
	s := p1.sourceOf()
	_, err = s.party(testkit.Context(t), "alice")
	require.EqualError(t, err, "rpc error: code = PermissionDenied desc = not an admin")
	s = source{conn: p1.conn, opts: (&member{Shard: Shard{Credentials: token("party:alice")}}).source().opts}
	f, err := s.party(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, StandingHosted, f.standing, "GetParties says it")
	p1.set(func() { p1.noParties = true })
	_, err = s.party(testkit.Context(t), "alice")
	require.EqualError(t, err, "the participant is not connected to a synchronizer")
	p1.set(func() { p1.offline, p1.parties = false, map[string]Permission{"bob": PermissionConfirmation} })
	f, err = s.party(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, StandingAbsent, f.standing)
}

func (p *participant) sourceOf() source { return source{conn: p.conn} }

func TestTheFirstVersionOfTheAPIIsAskedWhereThereIsNoSecond(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	p1.v1, p2.v1 = true, true
	r := newRouter(t, Config{}, p1, p2)
	ready(t, r)
	assert.Equal(t, "p1::1220", r.Status().Shards[0].Participant)
	assert.True(t, r.Status().Shards[0].Listed)
	target, err := r.For(testkit.Context(t), "bob")
	require.NoError(t, err)
	assert.Equal(t, "p2", target.Name)
}

func TestAShardThatBecomesAnotherParticipantGetsNoRequests(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{Default: "p1", SpreadReads: true}, p1, p2)
	ready(t, r)
	ctx := testkit.Context(t)
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	p1.set(func() { p1.id = "other::1220" })
	r.refreshShard(r.list.Load().byName["p1"])
	const why = `participant id "other::1220"; want "p1::1220", as it said first`
	assert.Equal(t, why, r.Status().Shards[0].Detail)
	assert.Equal(t, report.ShardDistrusted, r.Status().Shards[0].State)
	err := call(ctx, r, "Submit", submit(t, "alice"))
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.ErrorContains(t, err, why)
	err = call(ctx, r, "Order", message(t, "example.shop.OrderRequest", `{}`))
	var wrong *IdentityError
	require.ErrorAs(t, err, &wrong)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualError(t, err, `shard: shard "p1": `+why)
	require.NoError(t, call(ctx, r, "Submit", submit(t, "bob")))
	p1.set(func() { p1.id = "p1::1220" })
	r.refreshShard(r.list.Load().byName["p1"])
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	var kinds []EventKind
	for _, e := range r.Events() {
		kinds = append(kinds, e.Kind)
	}
	assert.Equal(t, []EventKind{EventIdentityMismatch, EventIdentityRestored}, kinds)
}

func TestAJSONServerOfAnotherParticipantGetsNoRequests(t *testing.T) {
	p1, j1 := newParticipant(t, "p1", "alice"), newJSONServer(t, "j1")
	r := routerOf(t, map[string]Shard{"p1": {Client: p1.conn, JSON: j1.client}}, Config{})
	ready(t, r)
	ctx := testkit.Context(t)
	ask := func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ledger/v2/parties/alice", http.NoBody)
		require.NoError(t, err)
		resp, err := r.HTTP().Do(request)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	says := func(id string) {
		j1.participant.Store(&id)
		r.refreshShard(r.list.Load().byName["p1"])
	}
	require.NoError(t, ask(), "a server that does not say it is trusted")
	says("p1::1220")
	require.NoError(t, ask())
	says("p2::1220")
	const why = `participant id "p2::1220" of JSON API server "j1"; want "p1::1220", that of the gRPC endpoints`
	require.ErrorContains(t, ask(), why)
	require.ErrorContains(t, call(ctx, r, "Submit", submit(t, "alice")), why, "the shard as a whole is not what it should be")
	got, _ := j1.requests()
	assert.Len(t, got, 2)
	says(strings.Repeat("x", 1<<17))
	require.ErrorContains(t, ask(), why, "that is no ID, so the one before holds")
	says("p1::1220")
	require.NoError(t, ask())
	var kinds []EventKind
	for _, e := range r.Events() {
		kinds = append(kinds, e.Kind)
	}
	assert.Equal(t, []EventKind{EventIdentityMismatch, EventIdentityRestored}, kinds)
}

func TestTwoShardsThatAreOneParticipantAreReported(t *testing.T) {
	p1 := newParticipant(t, "p1")
	r := routerOf(t, map[string]Shard{"a": {Client: p1.conn}, "b": {Client: p1.conn}}, Config{})
	ready(t, r)
	require.Len(t, r.Events(), 1)
	assert.Equal(t, EventSameParticipant, r.Events()[0].Kind)
}

func TestAShardMayBeKnownByItsParticipant(t *testing.T) {
	p1 := newParticipant(t, "p1", "alice")
	r := routerOf(t, map[string]Shard{"p1": {Client: p1.conn, Participant: "p9::1220"}}, Config{})
	ready(t, r)
	assert.Equal(t, `participant id "p1::1220"; want "p9::1220", as configured`, r.Status().Shards[0].Detail)
}

func TestADiscoveryThatFailsIsReportedOnce(t *testing.T) {
	p1 := newParticipant(t, "p1", "alice")
	p1.failure = status.Error(codes.Unavailable, "starting")
	r := newRouter(t, Config{}, p1)
	ready(t, r)
	m := r.list.Load().byName["p1"]
	r.refreshShard(m)
	assert.Equal(t, "Unavailable: starting", r.Status().Shards[0].LastError)
	p1.set(func() { p1.failure = nil })
	r.refreshShard(m)
	var texts []string
	for _, e := range r.Events() {
		texts = append(texts, e.String())
	}
	assert.Equal(t, []string{`discovery_failed: shard "p1": Unavailable: starting`, `discovery_regained: shard "p1"`}, texts)
	assert.Empty(t, r.Status().Shards[0].LastError)
}

func TestWhatIsInUseIsLookedUpAgain(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2")
	r := newRouter(t, Config{}, p1, p2)
	ready(t, r)
	_, err := r.For(testkit.Context(t), "alice")
	require.NoError(t, err)
	_, err = r.ForUser(testkit.Context(t), "participant_admin")
	require.Error(t, err)
	p1.set(func() { delete(p1.parties, "alice") })
	p2.set(func() { p2.parties["alice"] = PermissionSubmission })
	r.renew(r.list.Load(), time.Now().Add(4*time.Minute))
	target, err := r.For(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, "p2", target.Name)
}

func TestAShardThatHangsDoesNotHoldUpTheRefreshOfOthers(t *testing.T) {
	p1, p2 := newParticipant(t, "p1"), newParticipant(t, "p2")
	const parties = 100
	for i := range parties {
		p1.parties[fmt.Sprint("party", i)] = PermissionSubmission
	}
	r := newRouter(t, Config{LookUpTimeout: 100 * time.Millisecond}, p1, p2)
	ready(t, r)
	for name := range p1.parties {
		_, err := r.For(testkit.Context(t), name)
		require.NoError(t, err)
	}
	p2.stall(t)
	before1, before2 := p1.count("GetConnectedSynchronizers"), p2.count("GetConnectedSynchronizers")
	list := r.list.Load()
	r.renew(list, time.Now().Add(r.cfg.Refresh))
	assert.Equal(t, parties, p1.count("GetConnectedSynchronizers")-before1)
	assert.Equal(t, 1, p2.count("GetConnectedSynchronizers")-before2, "it fails from the first timeout on")

	require.NoError(t, r.Update(shards(p1)))
	r.renew(list, time.Now().Add(r.cfg.Refresh))
	assert.Equal(t, parties+1, p1.count("GetConnectedSynchronizers")-before1, "the list has changed: the next refresh is due")
}

func TestEventsAreFollowed(t *testing.T) {
	p1, p2 := newParticipant(t, "p1"), newParticipant(t, "p2")
	r := newRouter(t, Config{}, p1)
	ready(t, r)
	var got []Event
	updated := false
	for batch := range r.Subscribe(testkit.Context(t)) {
		got = append(got, batch.Events...)
		if len(got) > 0 {
			break
		}
		if !updated {
			updated = true
			require.NoError(t, r.Update(shards(p1, p2)))
		}
	}
	assert.Equal(t, EventShards, got[0].Kind)
	require.NoError(t, r.Close())
	for range r.Subscribe(testkit.Context(t)) {
	}
}

func TestAPageThatComesAgainEndsAList(t *testing.T) {
	p1 := newParticipant(t, "p1", "a", "b", "c")
	p1.stuck = true
	err := p1.sourceOf().listParties(testkit.Context(t), func([]string) bool { return true })
	require.EqualError(t, err, "the same page again: its token is 2")
}

// pagedList is a participant whose list has the page that next returns after another one.
type pagedList struct {
	next  func(token string) string
	pages int
}

func (p *pagedList) Invoke(_ context.Context, _ string, request, reply any, _ ...grpc.CallOption) error {
	p.pages++
	message, _ := request.([]byte)
	token, err := rawpb.Text(message, 2)
	if to, ok := reply.(*[]byte); ok {
		*to = rawpb.AppendText(nil, 2, p.next(token))
	}
	return err
}

func (*pagedList) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "no streams")
}

// late is a participant that comes to host a party between two calls of a look-up.
type late struct {
	grpc.ClientConnInterface

	come func(method string)
}

func (l late) Invoke(ctx context.Context, method string, request, reply any, opts ...grpc.CallOption) error {
	l.come(method)
	return l.ClientConnInterface.Invoke(ctx, method, request, reply, opts...)
}

func TestAPartyThatComesDuringALookUpHasItsPermission(t *testing.T) {
	p1 := newParticipant(t, "p1")
	s := p1.sourceOf()
	s.conn = late{p1.conn, func(method string) {
		if strings.HasSuffix(method, "/GetParties") {
			p1.set(func() { p1.parties["alice"] = PermissionObservation })
		}
	}}
	f, err := s.party(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, fact{standing: StandingHosted, permission: PermissionObservation}, f)
	p1.set(func() { p1.offline = true })
	f, err = s.party(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, fact{standing: StandingHosted}, f, "it is not connected, so it does not say")
}

func TestAListWithoutAnEndIsAnError(t *testing.T) {
	number := func(token string) int {
		n, _ := strconv.Atoi(token)
		return n
	}
	more := func([]string) bool { return true }
	for _, loop := range []int{1, 2, 3, 7, 100} {
		for _, before := range []int{0, 1, 5, 64} {
			p := &pagedList{next: func(token string) string {
				if n := number(token); n < before+loop {
					return strconv.Itoa(n + 1)
				}
				return strconv.Itoa(before + 1)
			}}
			err := source{conn: p}.listParties(t.Context(), more)
			require.ErrorContains(t, err, "the same page again", "%d pages, and %d again and again", before, loop)
			assert.LessOrEqual(t, p.pages, 3*(before+loop)+2)
		}
	}
	p := &pagedList{next: func(token string) string { return strconv.Itoa(number(token) + 1) }}
	require.EqualError(t, source{conn: p}.listUsers(t.Context(), more), "a list of more than 10000 pages")
	p = &pagedList{next: func(token string) string {
		if token == "999" {
			return ""
		}
		return strconv.Itoa(number(token) + 1)
	}}
	require.NoError(t, source{conn: p}.listParties(t.Context(), more))
	assert.Equal(t, 1000, p.pages)
}

func TestAnAnswerThatCannotBeReadIsNone(t *testing.T) {
	p1 := newParticipant(t, "p1", "alice")
	p1.garbage = []byte{0x0a, 5, 'x'}
	s, ctx := p1.sourceOf(), testkit.Context(t)
	_, err := s.party(ctx, "alice")
	require.Error(t, err)
	_, err = s.user(ctx, "participant_admin")
	require.Error(t, err)
	_, err = s.participant(ctx)
	require.Error(t, err)
	require.Error(t, s.listUsers(ctx, func([]string) bool { return true }))
	p1.set(func() { p1.garbage = []byte{} })
	_, err = s.participant(ctx)
	require.EqualError(t, err, "empty: want an ID")
	f, err := s.party(ctx, "alice")
	require.NoError(t, err)
	assert.Equal(t, StandingAbsent, f.standing)
}

// What a shard answers is read or refused, and never more than fits is kept.
func FuzzAnswers(f *testing.F) {
	p := &participant{parties: map[string]Permission{"alice": PermissionObservation}, users: map[string]fakeUser{"u": {primary: "alice", actAs: []string{"bob"}}}, page: 10}
	for _, method := range []string{"GetConnectedSynchronizers", "GetParties", "ListKnownParties", "ListUsers", "GetUser"} {
		f.Add(p.lookUp(method, "alice", nil))
	}
	f.Add(p.lookUp("ListUserRights", "u", nil))
	f.Fuzz(func(t *testing.T, reply []byte) {
		_, _, _ = readSynchronizers(reply)
		for _, read := range []func([]byte) ([]string, error){readParties, readUsers, readRights} {
			names, err := read(reply)
			for _, name := range names {
				assert.NoError(t, checkName(name), "%v", err)
			}
		}
		if names, err := readRights(reply); err == nil {
			assert.LessOrEqual(t, len(names), maxRights)
		}
	})
}
