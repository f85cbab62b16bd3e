package jsonapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
)

func TestRequestsGoToAllEndpointsInTurn(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: RoundRobin}, a, b)
	for range 10 {
		status, _, err := send(t, c, "GET", "/v2/version", "")
		require.NoError(t, err)
		assert.Equal(t, 200, status)
	}
	assert.Len(t, a.got(), 5)
	assert.Len(t, b.got(), 5)
}

func TestRequestsGoToTheActiveEndpointAlone(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{}, a, b)
	for range 10 {
		_, body, err := send(t, c, "GET", "/v2/version", "")
		require.NoError(t, err)
		assert.Equal(t, "a", body)
	}
	assert.Empty(t, b.got())
}

func TestARequestForAnotherHostIsNotSent(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{}, a)
	for _, url := range []string{"http://other/v2/version", a.URL + "/v2/version", "http://ledger:81/", "ftp://ledger/", "http://ledger.example/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		resp, err := c.HTTP().Do(req)
		if err == nil {
			resp.Body.Close()
		}
		var wrong *HostError
		require.ErrorAs(t, err, &wrong, url)
		assert.Contains(t, err.Error(), "http://ledger")
	}
	_, err := c.RoundTrip(&http.Request{}) //nolint:bodyclose // an error
	require.EqualError(t, err, "jsonapi: a request without a URL; want one at http://ledger")
	assert.Empty(t, a.got())
}

func TestAnIdempotentRequestIsMadeElsewhereWhenItsServerDies(t *testing.T) {
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		a, b := newPeer(t, "a"), newPeer(t, "b")
		c := newClient(t, Config{Policy: RoundRobin}, a, b)
		a.handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		for range 4 {
			_, body, err := send(t, c, method, "/v2/x", "")
			require.NoError(t, err)
			assert.Equal(t, "b", body)
		}
	}
}

func TestAPostIsSentOnceWhateverHappens(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: RoundRobin}, a, b)
	for _, p := range []*peer{a, b} {
		p.handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	}
	_, _, err := send(t, c, "POST", "/v2/parties", `{"partyIdHint":"x"}`)
	var failed *AttemptsError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Attempts, 1)
	assert.True(t, failed.Attempts[0].Sent)
	assert.False(t, failed.Unsent)
	assert.Len(t, append(a.got(), b.got()...), 1)
}

func TestARequestThatNeverLeftIsMadeElsewhereWhateverItIs(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: RoundRobin, HealthCheck: slow()}, a, b)
	a.stop()
	for range 6 {
		_, body, err := send(t, c, "POST", "/v2/parties", `{}`)
		require.NoError(t, err)
		assert.Equal(t, "b", body)
	}
	assert.Len(t, b.got(), 6)
}

func TestARequestThatIsHungIsRescued(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{}, a, b)
	a.hangs.Store(true)
	_, body, err := send(t, c, "GET", "/v2/version", "")
	require.NoError(t, err)
	assert.Equal(t, "b", body)
	assert.EqualValues(t, 1, c.Status().Totals.Rescued)
	assert.Equal(t, "b", c.Status().Failover.Active)
}

func TestAServerThatIsNotReadyGetsNoRequests(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{}, a, b)
	a.ready.Store(503)
	require.Eventually(t, func() bool { return c.Status().Failover.Active == "b" }, 10*time.Second, 5*time.Millisecond)
	_, body, err := send(t, c, "POST", "/v2/parties", "{}")
	require.NoError(t, err)
	assert.Equal(t, "b", body)
	require.Eventually(t, func() bool { // a probe may have timed out meanwhile
		status, _ := c.Status().Endpoint("a")
		return strings.Contains(status.Detail, "503; its process is alive")
	}, 10*time.Second, 5*time.Millisecond)
}

func TestAnswersOfABrokenServerAreRetriedElsewhere(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: RoundRobin}, a, b)
	for _, code := range []int{502, 503, 504} {
		a.handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(code)
		})
		for range 2 {
			status, body, err := send(t, c, "POST", "/v2/updates", "{}")
			require.NoError(t, err)
			assert.Equal(t, 200, status)
			assert.Equal(t, "b", body)
		}
	}
	a, b = newPeer(t, "a"), newPeer(t, "b")
	c = newClient(t, Config{Policy: RoundRobin}, a, b)
	a.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	codes := map[int]int{}
	for range 4 {
		status, _, err := send(t, c, "GET", "/v2/version", "")
		require.NoError(t, err)
		codes[status]++
	}
	assert.NotZero(t, codes[500], "any other answer is returned")
}

func TestADeleteThatIsAnswered404LaterIsDone(t *testing.T) {
	for contentType, want := range map[string]int{"application/json": 200, "text/plain": 204} {
		a, b := newPeer(t, "a"), newPeer(t, "b")
		c := newClient(t, Config{Policy: RoundRobin}, a, b)
		notThere := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"code":"USER_NOT_FOUND"}`)
		}
		var died atomic.Bool
		for _, p := range []*peer{a, b} {
			p.handle(func(w http.ResponseWriter, r *http.Request) {
				if died.CompareAndSwap(false, true) {
					panic(http.ErrAbortHandler)
				}
				notThere(w, r)
			})
		}
		status, body, err := send(t, c, "DELETE", "/v2/users/x", "")
		require.NoError(t, err)
		assert.Equal(t, want, status)
		assert.NotContains(t, body, "NOT_FOUND")
		status, _, err = send(t, c, "DELETE", "/v2/users/x", "")
		require.NoError(t, err)
		assert.Equal(t, 404, status, "of the first attempt, it is what it says")
	}
}

func TestACommandIsResubmittedUnderItsCommandID(t *testing.T) {
	const command = `{"commands":[],"commandId":"c1","userId":"u","actAs":["alice"]}`
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: RoundRobin}, a, b)
	a.handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for range 2 {
		_, body, err := send(t, c, "POST", "/v2/commands/submit-and-wait", command)
		require.NoError(t, err)
		assert.Equal(t, "b", body)
	}
	for _, p := range []*peer{a, b} {
		for _, body := range p.texts() {
			assert.Equal(t, command, body)
		}
	}
	// Without a user ID, the change ID depends on the token.
	b.handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	before := len(a.got()) + len(b.got())
	_, _, err := send(t, c, "POST", "/v2/commands/submit-and-wait", `{"commands":[],"commandId":"c1","actAs":["alice"]}`)
	require.Error(t, err)
	assert.Equal(t, before+1, len(a.got())+len(b.got()))
}

func TestEachEndpointGetsItsOwnTokenAlone(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := startClient(t, Config{Policy: RoundRobin, Endpoints: []Endpoint{
		{Name: "a", Address: a.URL, Token: cantonlb.NewSecret("token-a"), AllowInsecureTokens: true},
		{Name: "b", Address: b.URL, Token: cantonlb.NewSecret("token-b"), AllowInsecureTokens: true},
	}})
	require.NoError(t, c.WaitHealthy(t.Context(), 2))
	a.handle(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, b.URL+"/v2/there", http.StatusTemporaryRedirect)
	})
	for range 4 {
		_, body, err := send(t, c, "GET", "/v2/version", "")
		require.NoError(t, err)
		assert.Equal(t, "b", body)
	}
	for _, h := range a.heads() {
		assert.Equal(t, []string{"Bearer token-a"}, h["Authorization"])
	}
	for _, h := range b.heads() {
		assert.Equal(t, []string{"Bearer token-b"}, h["Authorization"])
	}
	assert.NotEmpty(t, a.heads())
	assert.Contains(t, b.got(), "GET /v2/there")

	foreign := newPeer(t, "foreign")
	for _, p := range []*peer{a, b} {
		p.handle(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, foreign.URL+"/steal", http.StatusTemporaryRedirect)
		})
	}
	_, _, err := send(t, c, "GET", "/v2/version", "")
	var wrong *HostError
	require.ErrorAs(t, err, &wrong)
	assert.Empty(t, foreign.got())

	for _, p := range []*peer{a, b} {
		p.handle(func(http.ResponseWriter, *http.Request) {})
	}
	_, _, err = send(t, c, "GET", "/v2/own", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer mine") })
	require.NoError(t, err)
	for _, p := range []*peer{a, b} {
		for i, h := range p.heads() {
			if p.got()[i] == "GET /v2/own" {
				assert.Equal(t, "Bearer mine", h.Get("Authorization"))
			}
		}
	}
}

func TestABaseURLMayHaveAPath(t *testing.T) {
	p := newPeer(t, "a")
	mux := http.NewServeMux()
	mux.Handle("/api/json/", http.StripPrefix("/api/json", p.Config.Handler))
	p.Config.Handler = mux
	c := startClient(t, Config{Endpoints: []Endpoint{{Name: "a", Address: p.URL + "/api/json/"}}})
	require.NoError(t, c.WaitHealthy(t.Context(), 1))
	p.handle(func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{"/v2/from": p.URL + "/api/json/v2/to?x=1", "/v2/beside": "to?x=1", "/v2/out": "/other"}[r.URL.Path]
		if to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
			return
		}
		_, _ = fmt.Fprint(w, r.URL.RequestURI())
	})
	for _, from := range []string{"/v2/from", "/v2/beside"} {
		_, body, err := send(t, c, "GET", from, "")
		require.NoError(t, err)
		assert.Equal(t, "/v2/to?x=1", body)
	}
	var host *HostError
	_, _, err := send(t, c, "GET", "/v2/out", "")
	require.ErrorAs(t, err, &host, "it leads out of the base URL")
	_, body, err := send(t, c, "GET", "/v2/a%2Fb?q=%20", "")
	require.NoError(t, err)
	assert.Equal(t, "/v2/a%2Fb?q=%20", body)
}

func TestNoEligibleEndpointIsAnErrorThatSaysWhy(t *testing.T) {
	a := newPeer(t, "a")
	c := startClient(t, Config{NoneEligible: cantonlb.FailFast}, a)
	a.ready.Store(503)
	require.Eventually(t, func() bool { return c.Status().Eligible() == 0 && !c.Status().NoneEligibleSince.IsZero() }, 10*time.Second, time.Millisecond)
	_, _, err := send(t, c, "GET", "/v2/version", "")
	var none *NoEligibleError
	require.ErrorAs(t, err, &none)
	assert.Equal(t, 1, none.Of)
	assert.Contains(t, err.Error(), "a unhealthy (not_serving")
}

func TestARequestWaitsForAnEndpointUntilItsDeadline(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{}, a)
	a.ready.Store(503)
	require.Eventually(t, func() bool { return c.Status().Eligible() == 0 }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://ledger/v2/version", nil)
	_, err := c.HTTP().Do(req) //nolint:bodyclose // an error
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var none *NoEligibleError
	require.ErrorAs(t, err, &none)

	go func() { a.ready.Store(200) }()
	_, body, err := send(t, c, "GET", "/v2/version", "")
	require.NoError(t, err)
	assert.Equal(t, "a", body)
}

func TestARequestInFlightFailsWhenTheClientIsClosed(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{HealthCheck: slow()}, a)
	began := make(chan struct{})
	a.handle(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ledger/v2/version", nil)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := c.HTTP().Do(req) //nolint:bodyclose // an error
		failed <- err
	}()
	<-began
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-failed, ErrClosed)
	_, _, err = send(t, c, "GET", "/v2/version", "")
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, c.Update([]Endpoint{{Address: a.URL}}), ErrClosed)
	require.ErrorIs(t, c.WaitHealthy(t.Context(), 1), ErrClosed)
}

func TestABodyWithoutGetBodyIsReplayedWithinBounds(t *testing.T) {
	for size, ok := range map[int]bool{1000: true, 5000: false} {
		a, b := newPeer(t, "a"), newPeer(t, "b")
		c := newClient(t, Config{Policy: RoundRobin, MaxReplay: 2000}, a, b)
		a.handle(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		want := strings.Repeat("x", size)
		failures := 0
		for range 2 {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://ledger/x", io.MultiReader(strings.NewReader(want)))
			resp, err := c.HTTP().Do(req)
			if err != nil {
				failures++
				continue
			}
			resp.Body.Close()
		}
		assert.Equal(t, ok, failures == 0)
		for _, body := range b.texts() {
			assert.Equal(t, want, body)
		}
	}
}

func TestTheCallersErrorWinsOverThatOfTheAttempt(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{HealthCheck: slow()}, a)
	a.handle(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancelCause(t.Context())
	own := errors.New("the user has gone")
	time.AfterFunc(20*time.Millisecond, func() { cancel(own) })
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://ledger/x", nil)
	_, err := c.HTTP().Do(req) //nolint:bodyclose // an error
	require.ErrorIs(t, err, own)
}

func TestATokenIsHiddenUnlessTheCallerHasOfferedIt(t *testing.T) {
	for _, x := range []struct{ asked, chosen, want string }{
		{"daml.ws.auth", "daml.ws.auth", "daml.ws.auth"},
		{"daml.ws.auth", "jwt.token.hush", ""},
		{"daml.ws.auth", "jwt.token.hush, daml.ws.auth", "daml.ws.auth"},
		{"daml.ws.auth, jwt.token.own", "jwt.token.own", "jwt.token.own"},
		{"", "", ""},
	} {
		asked, chosen := make(http.Header), make(http.Header)
		asked.Set(wsProtocols, x.asked)
		chosen.Set(wsProtocols, x.chosen)
		hideToken(asked, chosen)
		assert.Equal(t, x.want, chosen.Get(wsProtocols), x)
	}
}

func TestATokenIsOfferedToAWebsocketThatTakesIt(t *testing.T) {
	for _, x := range []struct{ authorization, asked, want string }{
		{"Bearer a.b.c", "daml.ws.auth", "jwt.token.a.b.c,daml.ws.auth"},
		{"bearer  a.b.c", "other, daml.ws.auth", "jwt.token.a.b.c,other,daml.ws.auth"},
		{"Bearer a.b.c", "jwt.token.own, daml.ws.auth", "jwt.token.own, daml.ws.auth"},
		{"Bearer a.b.c", "other", "other"},
		{"Bearer ", "daml.ws.auth", "daml.ws.auth"},
		{"Basic YTpi", "daml.ws.auth", "daml.ws.auth"},
		{"", "daml.ws.auth", "daml.ws.auth"},
	} {
		h := make(http.Header)
		h.Set("Upgrade", "WebSocket")
		h.Set("Authorization", x.authorization)
		h.Set(wsProtocols, x.asked)
		offerToken(h)
		assert.Equal(t, x.want, h.Get(wsProtocols), x)
	}
}
