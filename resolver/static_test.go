package resolver

import (
	"crypto/tls"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/local"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

func TestAStateHasOneAddressPerEndpointAndCarriesItsIdentity(t *testing.T) {
	s := newStaticOf(t, []Endpoint{
		{Name: "seq1", Address: "https://A:1", ServerName: "Seq1.Example"},
		{Address: "[fe80::1%eth0]:1"},
	})
	cc := &fakeChannel{}
	build(t, s, cc, grpcresolver.BuildOptions{})

	state := cc.last(t)
	assert.Nil(t, state.ServiceConfig, "a service config would replace the program's own")
	assert.Empty(t, state.Addresses)
	require.Len(t, state.Endpoints, 2)
	for i, want := range []struct{ addr, serverName string }{
		{"a:1", "seq1.example"}, {"[fe80::1%eth0]:1", "[fe80::1]:1"},
	} {
		e := state.Endpoints[i]
		require.Len(t, e.Addresses, 1)
		assert.Equal(t, want.addr, e.Addresses[0].Addr)
		assert.Equal(t, want.serverName, e.Addresses[0].ServerName)
		fromEndpoint, ok := FromGRPC(e)
		require.True(t, ok)
		fromAddress, ok := FromAddress(e.Addresses[0])
		require.True(t, ok)
		assert.Equal(t, s.Endpoints()[i], fromEndpoint)
		assert.Equal(t, s.Endpoints()[i], fromAddress)
	}
}

func TestARepeatedPushHasEqualAddresses(t *testing.T) {
	s := newStaticOf(t, named("a", "b"))
	cc := &fakeChannel{}
	build(t, s, cc, grpcresolver.BuildOptions{})
	first := cc.last(t)
	require.NoError(t, s.Update(named("a", "b")))
	second := cc.last(t)
	require.Equal(t, 2, cc.pushes())
	for i := range first.Endpoints {
		assert.True(t, first.Endpoints[i].Addresses[0].Equal(second.Endpoints[i].Addresses[0]))
		assert.True(t, first.Endpoints[i].Attributes.Equal(second.Endpoints[i].Attributes))
	}
	assert.Same(t, ClaimFrom(first), ClaimFrom(second))
}

func TestAnAuthorityThatTheProgramChoseHoldsForEndpointsWithoutTheirOwn(t *testing.T) {
	s := newStaticOf(t, []Endpoint{{Address: "a:1"}, {Address: "b:1"}, {Address: "c:1", ServerName: "own"}})
	serverNames := func(channelAuthority string) []string {
		cc := &fakeChannel{}
		build(t, s, cc, grpcresolver.BuildOptions{Authority: channelAuthority})
		var names []string
		for _, e := range cc.last(t).Endpoints {
			names = append(names, e.Addresses[0].ServerName)
		}
		return names
	}
	assert.Equal(t, []string{"chosen", "chosen", "own"}, serverNames("chosen"))
	assert.Equal(t, []string{"a:1", "b:1", "own"}, serverNames(s.OverrideAuthority(grpcresolver.Target{})))
	assert.Equal(t, []string{"a:1", "b:1", "own"}, serverNames(""))
}

func TestUpdateReachesEveryOpenChannelAndNoClosedOne(t *testing.T) {
	s := newStaticOf(t, named("a"))
	open1, open2, closed := &fakeChannel{}, &fakeChannel{}, &fakeChannel{}
	build(t, s, open1, grpcresolver.BuildOptions{})
	build(t, s, open2, grpcresolver.BuildOptions{})
	r := build(t, s, closed, grpcresolver.BuildOptions{})
	r.ResolveNow(grpcresolver.ResolveNowOptions{})
	r.Close()
	r.Close()

	require.NoError(t, s.Update(named("b", "c")))
	assert.Equal(t, []string{"b", "c"}, open1.lastNames(t))
	assert.Equal(t, []string{"b", "c"}, open2.lastNames(t))
	assert.Equal(t, []string{"a"}, closed.lastNames(t))
	assert.Equal(t, 1, closed.pushes())
	unclaimed, err := r.(*channel).push()
	assert.NoError(t, err, "a push that comes too late is none")
	assert.False(t, unclaimed)
	assert.Equal(t, 1, closed.pushes())

	late := &fakeChannel{}
	build(t, s, late, grpcresolver.BuildOptions{})
	assert.Equal(t, []string{"b", "c"}, late.lastNames(t))
}

func TestABadListChangesNothing(t *testing.T) {
	s := newStaticOf(t, named("a"))
	cc := &fakeChannel{}
	build(t, s, cc, grpcresolver.BuildOptions{})
	for _, bad := range [][]Endpoint{nil, {{Address: "b"}}, {{Address: "b:1"}, {Address: "b:1"}}} {
		var typed *configerr.Error
		require.ErrorAs(t, s.Update(bad), &typed)
	}
	assert.Equal(t, named("a"), s.Endpoints())
	assert.Equal(t, 1, cc.pushes())

	_, err := New(nil)
	require.EqualError(t, err, "endpoints: empty list; want at least one endpoint")
}

func TestTheListBelongsToStatic(t *testing.T) {
	mine := named("a")
	s := newStaticOf(t, mine, nil)
	mine[0].Name = "changed"
	s.Endpoints()[0].Name = "changed"
	assert.Equal(t, named("a"), s.Endpoints())
}

// bundle is a credentials bundle with these transport credentials.
type bundle struct {
	credentials.Bundle
	transport credentials.TransportCredentials
}

func (b bundle) TransportCredentials() credentials.TransportCredentials { return b.transport }

func TestCredentialsMustFitTheURLs(t *testing.T) {
	plain, secure := insecure.NewCredentials(), credentials.NewTLS(&tls.Config{})
	const wantTLS = `endpoints[1].address "https://b:1": endpoint "seq" asks for TLS while the channel's credentials are "insecure"; ` +
		"want TLS credentials for the channel, or an address without https://"
	const wantPlain = `endpoints[1].address "http://b:1": endpoint "seq" asks for plaintext while the channel's credentials are %q; ` +
		"want plaintext credentials for the channel, or an address without http://"
	for name, c := range map[string]struct {
		address string
		opts    grpcresolver.BuildOptions
		want    string
	}{
		"https over TLS":               {"https://b:1", grpcresolver.BuildOptions{DialCreds: secure}, ""},
		"http over plaintext":          {"http://b:1", grpcresolver.BuildOptions{DialCreds: plain}, ""},
		"no scheme over TLS":           {"b:1", grpcresolver.BuildOptions{DialCreds: secure}, ""},
		"no scheme over plaintext":     {"b:1", grpcresolver.BuildOptions{DialCreds: plain}, ""},
		"https, nothing known":         {"https://b:1", grpcresolver.BuildOptions{}, ""},
		"http, empty bundle":           {"http://b:1", grpcresolver.BuildOptions{CredsBundle: bundle{}}, ""},
		"https over plaintext":         {"https://b:1", grpcresolver.BuildOptions{DialCreds: plain}, wantTLS},
		"https over plaintext, bundle": {"https://b:1", grpcresolver.BuildOptions{CredsBundle: bundle{transport: plain}}, wantTLS},
		"http over TLS":                {"http://b:1", grpcresolver.BuildOptions{DialCreds: secure}, fmt.Sprintf(wantPlain, "tls")},
		"http over local":              {"http://b:1", grpcresolver.BuildOptions{DialCreds: local.NewCredentials()}, fmt.Sprintf(wantPlain, "local")},
	} {
		t.Run(name, func(t *testing.T) {
			list := []Endpoint{{Address: "a:1"}, {Name: "seq", Address: c.address}}

			cc := &fakeChannel{}
			r, err := newStaticOf(t, list).Build(grpcresolver.Target{}, cc, c.opts)
			if c.want == "" {
				require.NoError(t, err)
				r.Close()
			} else {
				require.EqualError(t, err, c.want)
				assert.Nil(t, r)
				assert.Zero(t, cc.pushes())
			}

			s := newStaticOf(t, named("a"))
			anyone, fits := &fakeChannel{}, &fakeChannel{}
			build(t, s, anyone, grpcresolver.BuildOptions{})
			build(t, s, fits, c.opts)
			err = s.Update(list)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
			assert.Equal(t, named("a"), s.Endpoints(), "an update that does not fit one channel changes nothing")
			assert.Equal(t, 1, anyone.pushes())
			assert.Equal(t, 1, fits.pushes())
		})
	}
}

func TestUpdateTellsThatAPolicyRefusedTheListWhichIsInForceElsewhere(t *testing.T) {
	s := newStaticOf(t, named("a"))
	refuses := &fakeChannel{take: func(grpcresolver.State) error { return balancer.ErrBadResolverState }}
	takes := &fakeChannel{}
	build(t, s, refuses, grpcresolver.BuildOptions{})
	build(t, s, takes, grpcresolver.BuildOptions{})

	err := s.Update(named("b"))
	require.ErrorIs(t, err, balancer.ErrBadResolverState)
	require.ErrorContains(t, err, "channel 1 of 2 refused the new list")
	var typed *configerr.Error
	assert.NotErrorAs(t, err, &typed)
	assert.Equal(t, named("b"), s.Endpoints())
	assert.Equal(t, []string{"b"}, takes.lastNames(t))
}

// gate makes UpdateState wait: it signals that it was entered, and continues when it is
// opened.
type gate struct {
	entered, open chan struct{}
	once          sync.Once
}

func newGate() *gate {
	return &gate{entered: make(chan struct{}, 100), open: make(chan struct{})}
}

func (g *gate) pass(grpcresolver.State) error {
	g.entered <- struct{}{}
	<-g.open
	return nil
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func inBackground[T any](f func() T) <-chan T {
	done := make(chan T, 1)
	go func() { done <- f() }()
	return done
}

func TestABuildDuringAnUpdateEndsWithTheNewestList(t *testing.T) {
	s := newStaticOf(t, named("old"))
	g := newGate()
	slow := &fakeChannel{}
	build(t, s, slow, grpcresolver.BuildOptions{})
	slow.take = g.pass
	updated := inBackground(func() error { return s.Update(named("new")) })
	defer g.release()
	testkit.Receive(t, g.entered)

	other := &fakeChannel{}
	build(t, s, other, grpcresolver.BuildOptions{}) // does not wait for the slow channel
	assert.Equal(t, []string{"new"}, other.lastNames(t))

	g.release()
	require.NoError(t, testkit.Receive(t, updated))
	assert.Equal(t, []string{"new"}, slow.lastNames(t))
}

func TestAnUpdateDuringABuildEndsWithTheNewestList(t *testing.T) {
	s := newStaticOf(t, named("old"))
	g := newGate()
	cc := &fakeChannel{take: g.pass}
	built := inBackground(func() grpcresolver.Resolver {
		r, err := s.Build(grpcresolver.Target{}, cc, grpcresolver.BuildOptions{})
		assert.NoError(t, err)
		return r
	})
	defer g.release()
	testkit.Receive(t, g.entered)
	updated := inBackground(func() error { return s.Update(named("new")) })
	require.Eventually(t, func() bool { return s.Endpoints()[0].Name == "new" }, testkit.Patience, testkit.Patience/10_000)
	assert.Equal(t, []string{"old"}, cc.lastNames(t), "the push of the new list waits for that of the old one")
	g.release()
	r := testkit.Receive(t, built)
	defer r.Close()
	require.NoError(t, testkit.Receive(t, updated))
	assert.Equal(t, []string{"new"}, cc.lastNames(t))
}

func TestCloseDuringAnUpdateDoesNotWaitForIt(t *testing.T) {
	s := newStaticOf(t, named("old"))
	g := newGate()
	cc := &fakeChannel{}
	r := build(t, s, cc, grpcresolver.BuildOptions{})
	cc.take = g.pass
	updated := inBackground(func() error { return s.Update(named("new")) })
	defer g.release()
	testkit.Receive(t, g.entered)
	testkit.Receive(t, inBackground(func() bool { r.Close(); return true }))
	g.release()
	require.NoError(t, testkit.Receive(t, updated))
	require.NoError(t, s.Update(named("newer")))
	assert.Equal(t, []string{"new"}, cc.lastNames(t))
}

func TestUpdatesBuildsAndClosesMayRace(t *testing.T) {
	s := newStaticOf(t, named("start"))
	stays := &fakeChannel{}
	build(t, s, stays, grpcresolver.BuildOptions{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 50 {
				assert.NoError(t, s.Update(named(fmt.Sprintf("n%d-%d", i, j), "same")))
			}
		})
		wg.Go(func() {
			for range 50 {
				cc := &fakeChannel{}
				r, err := s.Build(grpcresolver.Target{}, cc, grpcresolver.BuildOptions{})
				if assert.NoError(t, err) {
					assert.NotEmpty(t, s.Endpoints())
					r.Close()
				}
			}
		})
	}
	wg.Wait()
	inForce := s.Endpoints()
	assert.Equal(t, []string{inForce[0].Name, inForce[1].Name}, stays.lastNames(t))
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Len(t, s.channels, 1, "closed channels are forgotten")
}
