package shard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/report"
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

func TestWhatEachShardSaysIsShown(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2")
	p2.parties["alice"] = PermissionObservation
	r := newRouter(t, Config{}, p1, p2)
	x, err := r.Explain(testkit.Context(t), "alice")
	require.NoError(t, err)
	assert.Equal(t, `["p1" hosted with submission "p2" hosted with observation]`, fmt.Sprint(x.Answers))
	_, err = r.Explain(testkit.Context(t), "")
	require.EqualError(t, err, "shard: Explain: party: empty: want an ID")
	require.NoError(t, r.Close())
	_, err = r.Explain(testkit.Context(t), "bob")
	require.ErrorIs(t, err, ErrClosed)
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

func TestOneLookUpIsForAllCallersAndEachHasItsOwnDeadline(t *testing.T) {
	p1 := newParticipant(t, "p1", "alice")
	r := newRouter(t, Config{LookUpTimeout: time.Minute}, p1)
	eventually(t, func() bool { return r.Status().Shards[0].Listed })
	heal := p1.stall(t)
	before := p1.count("GetConnectedSynchronizers")
	ctx, cancel := context.WithCancel(testkit.Context(t))
	var calls errgroup
	for range 20 {
		calls.Go(func() error { _, err := r.For(testkit.Context(t), "bob"); return err })
	}
	gone := make(chan error)
	go func() { _, err := r.For(ctx, "bob"); gone <- err }()
	eventually(t, func() bool { return p1.count("GetConnectedSynchronizers") == before+1 })
	cancel()
	err := testkit.Receive(t, gone)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, codes.Canceled, status.Code(err))
	require.ErrorContains(t, err, `shard: context canceled while looking up the shard: party "bob": it is not known which shard hosts it: "p1" unknown (no answer yet)`)
	p1.set(func() { p1.parties["bob"] = PermissionSubmission })
	heal()
	for _, err := range calls.Wait() {
		require.NoError(t, err)
	}
	assert.Equal(t, before+1, p1.count("GetConnectedSynchronizers"))
	eventually(t, func() bool { return r.Status().LookUps == 0 })
	assert.Empty(t, r.asking)
}

// errgroup collects the errors of goroutines.
type errgroup struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (g *errgroup) Go(f func() error) {
	g.wg.Go(func() {
		err := f()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.errs = append(g.errs, err)
	})
}

func (g *errgroup) Wait() []error {
	g.wg.Wait()
	return g.errs
}

func TestADeadlineDuringALookUpIsDeadlineExceeded(t *testing.T) {
	p1 := newParticipant(t, "p1")
	r := newRouter(t, Config{}, p1)
	p1.stall(t)
	_, err := r.For(testkit.Within(t, 20*time.Millisecond), "bob")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	var nowhere *NowhereError
	require.ErrorAs(t, err, &nowhere)
	assert.False(t, nowhere.Definite())
}

func TestThatAPartyIsNowhereIsRememberedForAWhile(t *testing.T) {
	p1 := newParticipant(t, "p1")
	r := newRouter(t, Config{NegativeTTL: 300 * time.Millisecond}, p1)
	began := time.Now()
	for range 5 {
		_, err := r.For(testkit.Context(t), "bob")
		require.Error(t, err)
	}
	if time.Since(began) < 300*time.Millisecond { // else the machine was too slow to show it
		assert.Equal(t, 1, p1.count("GetConnectedSynchronizers"))
	}
	p1.set(func() { p1.parties["bob"] = PermissionSubmission })
	eventually(t, func() bool { _, err := r.For(testkit.Context(t), "bob"); return err == nil })
}

func TestAShardThatIsDownFailsItsOwnPartiesAlone(t *testing.T) {
	for about, fail := range map[string]func(p *participant){
		"refuses": func(p *participant) { p.set(func() { p.failure = status.Error(codes.Unavailable, "down") }) },
		"hangs":   func(p *participant) { p.stall(t) },
	} {
		t.Run(about, func(t *testing.T) {
			p1, p2 := newParticipant(t, "p1", "alice", "ann"), newParticipant(t, "p2", "bob", "ben")
			fail(p2)
			r := newRouter(t, Config{LookUpTimeout: 2 * time.Second}, p1, p2)
			r.grace = grace
			target, err := r.For(testkit.Context(t), "alice")
			require.NoError(t, err)
			assert.Equal(t, "p1", target.Name)
			_, err = r.For(testkit.Context(t), "bob")
			var nowhere *NowhereError
			require.ErrorAs(t, err, &nowhere)
			assert.False(t, nowhere.Definite())
			assert.Equal(t, codes.Unavailable, status.Code(err))
			r.grace = testkit.Patience
			began := time.Now()
			_, err = r.For(testkit.Context(t), "ann")
			require.NoError(t, err)
			assert.Less(t, time.Since(began), 10*time.Second, "nobody waits for a shard that is known to fail")
		})
	}
}

func TestAShardThatGoesDownIsBelievedWhatItSaid(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{}, p1, p2)
	_, err := r.For(testkit.Context(t), "bob")
	require.NoError(t, err)
	p2.set(func() { p2.failure = status.Error(codes.Unavailable, "down") })
	r.renew(r.list.Load(), time.Now().Add(time.Hour))
	require.True(t, r.again(r.list.Load(), key{party: "bob"}, []string{"p1", "p2"}))
	target, err := r.For(testkit.Context(t), "bob")
	require.NoError(t, err)
	assert.Equal(t, "p2", target.Name)
}

func TestSubmissionsNeverMoveByThemselves(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2")
	r := newRouter(t, Config{Order: []string{"p2"}}, p1, p2)
	ctx := testkit.Context(t)
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	again := func() {
		t.Helper()
		require.True(t, r.again(r.list.Load(), key{party: "alice"}, []string{"p1", "p2"}))
	}
	p2.set(func() { p2.parties["alice"] = PermissionSubmission })
	again()
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")), "it stays, although p2 is preferred")
	target, err := r.For(ctx, "alice")
	require.NoError(t, err)
	assert.Equal(t, "p2", target.Name, "others go to the preferred one")
	p1.set(func() { delete(p1.parties, "alice") })
	again()
	for range 2 {
		err = call(ctx, r, "Submit", submit(t, "alice"))
		var moved *MovedError
		require.ErrorAs(t, err, &moved)
		assert.Equal(t, MovedError{Party: "alice", From: "p1", To: "p2"}, *moved)
		assert.Equal(t, codes.FailedPrecondition, status.Code(err))
	}
	events := r.Events()
	assert.Equal(t, EventMoved, events[len(events)-1].Kind)
	assert.Len(t, events, 1, "it is reported once")
	assert.Equal(t, []string{"Submit", "Submit"}, methods(p1))
	r.Forget("alice")
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	assert.Equal(t, []string{"Submit"}, methods(p2))
}

func TestASubmissionWaitsForAShardThatWouldTakeItOver(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2")
	p2.set(func() { p2.failure = status.Error(codes.Unavailable, "down") })
	r := newRouter(t, Config{Order: []string{"p2"}}, p1, p2)
	err := call(testkit.Context(t), r, "Submit", submit(t, "alice"))
	var undecided *UndecidedError
	require.ErrorAs(t, err, &undecided)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.ErrorContains(t, err, `party "alice": on "p1", but perhaps also on shards that would then take the request: "p2" unknown (Unavailable: down)`)
	target, err := r.Route(testkit.Context(t), Request{Kind: KindRead, Parties: []string{"alice"}})
	require.NoError(t, err, "a read may go elsewhere later")
	assert.Equal(t, "p1", target.Name)
}

func TestReadsAreSpreadOverLiveShards(t *testing.T) {
	list := shards(newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "alice"), newParticipant(t, "p3", "alice"))
	dead := list["p3"]
	dead.Live = func() bool { return false }
	list["p3"] = dead
	alive := list["p2"]
	alive.Live = func() bool { return true }
	list["p2"] = alive
	r := routerOf(t, list, Config{SpreadReads: true, Order: []string{"p3"}})
	ctx := testkit.Context(t)
	eventually(t, func() bool { return r.Status().Shards[0].State == report.ShardLive })
	seen := make(map[string]int)
	for range 100 {
		target, err := r.Route(ctx, Request{Kind: KindRead, Parties: []string{"alice"}})
		require.NoError(t, err)
		seen[target.Name]++
		target, err = r.Route(ctx, Request{Kind: KindAny})
		require.NoError(t, err)
		assert.NotEqual(t, "p3", target.Name)
		target, err = r.For(ctx, "alice")
		require.NoError(t, err)
		assert.Equal(t, "p3", target.Name, "what is at an offset is not spread")
	}
	assert.Positive(t, seen["p1"])
	assert.Positive(t, seen["p2"])
	assert.Zero(t, seen["p3"])
}

func TestAUserIsFound(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob", "ben")
	p1.users["only1"], p2.users["only2"] = fakeUser{}, fakeUser{primary: "bob"}
	p1.users["home"], p2.users["home"] = fakeUser{primary: "elsewhere"}, fakeUser{primary: "bob"}
	p1.users["rights"], p2.users["rights"] = fakeUser{}, fakeUser{actAs: []string{"nobody"}, readAs: []string{"ben", "ben"}}
	p1.users["twice"], p2.users["twice"] = fakeUser{primary: "alice"}, fakeUser{primary: "bob"}
	r := newRouter(t, Config{}, p1, p2)
	ctx := testkit.Context(t)
	for user, want := range map[string]string{"only1": "p1", "only2": "p2", "home": "p2", "rights": "p2"} {
		target, err := r.ForUser(ctx, user)
		require.NoError(t, err, user)
		assert.Equal(t, want, target.Name, user)
	}
	for _, user := range []string{"participant_admin", "twice"} {
		_, err := r.ForUser(ctx, user)
		var ambiguous *AmbiguousError
		require.ErrorAs(t, err, &ambiguous)
		assert.Equal(t, []string{"p1", "p2"}, ambiguous.Shards)
		assert.Equal(t, user, ambiguous.User)
	}
	_, err := r.ForUser(ctx, "")
	require.EqualError(t, err, "shard: ForUser: user: empty: want an ID")
	_, err = r.Route(ctx, Request{User: "home"})
	var ambiguous *AmbiguousError
	require.ErrorAs(t, err, &ambiguous, "a user in a request must be unique")
	p2.set(func() { p2.failure = status.Error(codes.Unavailable, "down") })
	p1.set(func() { p1.users["new"] = fakeUser{} })
	_, err = r.ForUser(ctx, "new")
	var undecided *UndecidedError
	require.ErrorAs(t, err, &undecided)
}

func TestProvidersAreKeysToo(t *testing.T) {
	p1, p2 := newParticipant(t, "p1"), newParticipant(t, "p2")
	r := routerOf(t, map[string]Shard{
		"a": {Client: p1.conn, Providers: []string{"https://a.example.com", "https://b.example.com"}, NoDiscovery: true},
		"c": {Client: p2.conn, Providers: []string{"https://c.example.com"}, NoDiscovery: true},
	}, Config{})
	ctx := testkit.Context(t)
	for provider, want := range map[string]string{"https://b.example.com": "a", "https://c.example.com": "c"} {
		target, err := r.ForProvider(ctx, provider)
		require.NoError(t, err)
		assert.Equal(t, want, target.Name)
	}
	require.NoError(t, call(WithProvider(ctx, "https://c.example.com"), r, "Login", submit(t, "whoever")))
	assert.Equal(t, []string{"Login"}, methods(p2))
	err := call(WithProvider(ctx, "https://d.example.com"), r, "Login", submit(t, "whoever"))
	var nowhere *NowhereError
	require.ErrorAs(t, err, &nowhere)
	require.EqualError(t, err, `shard: provider "https://d.example.com": no shard has it: "a" absent, "c" absent`)
	assert.Zero(t, p1.count("GetConnectedSynchronizers"))
}

func TestWhatIsConfiguredNeedsNoLookUp(t *testing.T) {
	p1, p2 := newParticipant(t, "p1"), newParticipant(t, "p2")
	r := routerOf(t, map[string]Shard{
		"p1": {Client: p1.conn, NoDiscovery: true, Parties: []string{"alice"}, Users: []string{"u"}},
		"p2": {Client: p2.conn, NoDiscovery: true},
	}, Config{})
	ctx := testkit.Context(t)
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	_, err := r.ForUser(ctx, "u")
	require.NoError(t, err)
	_, err = r.For(ctx, "bob")
	require.EqualError(t, err, `shard: party "bob": no shard hosts it: "p1" absent, "p2" absent`)
	assert.Zero(t, p1.count("GetConnectedSynchronizers")+p2.count("GetConnectedSynchronizers")+p1.count("GetParticipantId"))
}

func TestShardsComeAndGo(t *testing.T) {
	p1, p2, p3 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob"), newParticipant(t, "p3", "carol")
	r := newRouter(t, Config{Default: "p1", NegativeTTL: time.Millisecond}, p1, p2)
	ctx := testkit.Context(t)
	for _, party := range []string{"alice", "bob"} {
		require.NoError(t, call(ctx, r, "Submit", submit(t, party)))
	}
	_, err := r.For(ctx, "carol")
	require.Error(t, err)
	require.NoError(t, r.Update(shards(p1, p3)))
	require.NoError(t, call(ctx, r, "Submit", submit(t, "carol")), "a new shard is asked at once")
	_, err = r.For(ctx, "bob")
	var nowhere *NowhereError
	require.ErrorAs(t, err, &nowhere)
	asked := p1.count("GetConnectedSynchronizers")
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	assert.LessOrEqual(t, p1.count("GetConnectedSynchronizers"), asked+1, "what p1 has said is kept")
	events := r.Events()
	assert.Equal(t, EventShards, events[0].Kind)
	assert.Equal(t, "shards: 2 shards: 1 added, 1 removed", events[0].String())

	for want, list := range map[string]map[string]Shard{
		"shards: 0 of them; want 1 to 64":  nil,
		`default "p1": want one of "p2"`:   shards(p2),
		`neither Client nor JSON is set`:   {"p1": {}},
		`shards "": want a name of 1 to 2`: {"p1": {Client: p1.conn}, "": {Client: p1.conn}},
	} {
		require.ErrorContains(t, r.Update(list), want)
	}
	assert.Len(t, r.Status().Shards, 2)
	p3.set(func() { p3.parties["alice"] = PermissionSubmission })
	require.NoError(t, r.Update(map[string]Shard{"p1": {Client: p2.conn}, "p3": {Client: p3.conn}}))
	eventually(t, func() bool {
		_, err = r.Route(ctx, Request{Kind: KindSubmission, ActAs: []string{"alice"}})
		require.Error(t, err)
		var moved *MovedError
		return errors.As(err, &moved) // the shard has the name of before, and is another participant
	})
	require.NoError(t, r.Close())
	require.ErrorIs(t, r.Update(shards(p1)), ErrClosed)
}

func TestAnUpdateWakesThoseWhoWait(t *testing.T) {
	p1, p2 := newParticipant(t, "p1"), newParticipant(t, "p2", "bob")
	p1.stall(t)
	r := newRouter(t, Config{LookUpTimeout: time.Minute}, p1)
	r.grace = grace
	found := make(chan error)
	go func() { _, err := r.For(testkit.Context(t), "bob"); found <- err }()
	eventually(t, func() bool { return p1.count("GetConnectedSynchronizers") == 1 })
	require.NoError(t, r.Update(shards(p1, p2)))
	require.NoError(t, testkit.Receive(t, found))
}

func TestCloseEndsLookUps(t *testing.T) {
	p1 := newParticipant(t, "p1")
	p1.stall(t)
	r := newRouter(t, Config{LookUpTimeout: time.Minute}, p1)
	found := make(chan error)
	go func() { _, err := r.For(testkit.Context(t), "bob"); found <- err }()
	eventually(t, func() bool { return p1.count("GetConnectedSynchronizers") == 1 })
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	require.ErrorIs(t, testkit.Receive(t, found), ErrClosed)
}

func TestABadConfigNamesEachFault(t *testing.T) {
	p1 := newParticipant(t, "p1")
	for want, cfg := range map[string]Config{
		`refresh "1ms": want at least 1s, or 0 for 5m0s`:      {Refresh: time.Millisecond},
		`negativeTTL "-1s": want at least 1ms`:                {NegativeTTL: -time.Second},
		`lookUpTimeout "1ns": want at least 1ms, or 0 for 5s`: {LookUpTimeout: 1},
		`maxParties 10: want at least 1000`:                   {MaxParties: 10},
		`maxUsers -1: want at least 1000`:                     {MaxUsers: -1},
		`order[1] "a": listed twice; want each shard once`:    {Order: []string{"a", "a"}},
		`default "p2": want one of "p1"`:                      {Default: "p2"},
	} {
		_, err := New(shards(p1), cfg)
		require.ErrorContains(t, err, want)
		assert.NotEmpty(t, configerr.All(err))
	}
	_, err := New(map[string]Shard{
		"p1": {Client: p1.conn, Parties: []string{""}, Providers: []string{"x"}}, "p2": {Client: p1.conn, Providers: []string{"y", "x"}},
	}, Config{})
	require.ErrorContains(t, err, `shards.p1.parties[0]: empty: want an ID`)
	var none *grpc.ClientConn
	_, nilErr := New(map[string]Shard{"p1": {Client: none, Discovery: none}}, Config{})
	require.ErrorContains(t, nilErr, `shards.p1.client: a *grpc.ClientConn that is nil; want one that is not, or none`)
	require.ErrorContains(t, nilErr, `shards.p1.discovery: a *grpc.ClientConn that is nil`)
	require.ErrorContains(t, err, `shards.p2.providers[1] "x": also on shard "p1"; want each provider on one shard`)
}

func TestAShardWithoutAClientForTheRequestIsNamed(t *testing.T) {
	p1 := newParticipant(t, "p1", "alice")
	r := newRouter(t, Config{}, p1)
	_, err := r.Route(testkit.Context(t), Request{Parties: []string{"alice"}, HTTP: true})
	var missing *ClientError
	require.ErrorAs(t, err, &missing)
	require.EqualError(t, err, `shard: shard "p1" has no JSON API client: want Shard.JSON`)
	assert.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.EqualError(t, &ClientError{Shard: "p2"}, `shard: shard "p2" has no gRPC client: want Shard.Client`)
}

func TestARequestOfTheJSONAPIGoesToALiveServer(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(up.Close)
	down := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(down.Close)
	list := make(map[string]Shard)
	for name, url := range map[string]string{"down": down.URL, "up": up.URL} {
		c, err := jsonapi.New(jsonapi.Config{
			Name: name, Endpoints: []jsonapi.Endpoint{{Name: name, Address: url}}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		list[name] = Shard{JSON: c, Parties: []string{"of-" + name}}
	}
	require.NoError(t, list["up"].JSON.WaitHealthy(testkit.Context(t), 1))
	list["grpc"] = Shard{Client: newParticipant(t, "grpc").conn, NoDiscovery: true}
	r := routerOf(t, list, Config{})
	for range 20 {
		target, err := r.Route(testkit.Context(t), Request{Kind: KindAny, HTTP: true})
		require.NoError(t, err)
		assert.Equal(t, "up", target.Name)
	}
	target, err := r.Route(testkit.Context(t), Request{Parties: []string{"of-down"}, HTTP: true})
	require.NoError(t, err, "its own parties wait for it")
	assert.Equal(t, "down", target.Name)
	_, err = r.Route(testkit.Context(t), Request{Parties: []string{"of-down"}})
	require.EqualError(t, err, `shard: shard "down" has no gRPC client: want Shard.Client`)
	assert.Equal(t, report.ShardLive, r.Status().Shards[2].State)
	assert.Equal(t, report.ShardDown, r.Status().Shards[0].State)
}
