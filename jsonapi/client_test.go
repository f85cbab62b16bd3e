package jsonapi

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
	"github.com/cantonlb/cantonlb/statuspage"
)

var (
	_ statuspage.Source  = (*Client)(nil)
	_ statuspage.Actions = (*Client)(nil)
)

func TestEveryFaultOfAConfigIsReported(t *testing.T) {
	insecure := http.DefaultTransport.(*http.Transport).Clone()
	insecure.TLSClientConfig.InsecureSkipVerify = true
	err := Config{
		Name: "a b", Host: "h:1", Role: "x", Policy: "y", NoneEligible: "z", ReadyPath: "readyz", LivePath: "//x", MaxAttempts: 101,
		HedgeAfter: -1, MaxReplay: 1 << 40, RetryBudget: cantonlb.RetryBudget{Share: 2}, Transport: insecure, Idempotent: []string{"GET"},
		HealthCheck: healthcheck.Config{Service: "s", GRPCPort: 1, NoWatch: true, OnUnimplemented: healthcheck.OnUnimplementedUnhealthy},
		Endpoints:   []Endpoint{{Address: "ftp://a:1"}},
	}.Check()
	var fields []string
	for _, f := range configerr.All(err) {
		fields = append(fields, f.Field)
	}
	assert.ElementsMatch(t, []string{
		"role", "endpoints[0].address", "policy", "noneEligible", "idempotent[0]", "name", "host", "readyPath", "livePath",
		"healthCheck.service", "healthCheck.grpcPort", "healthCheck.noWatch", "healthCheck.onUnimplemented", "maxAttempts",
		"retryBudget.share", "hedgeAfter", "maxReplay", "transport.tlsClientConfig.insecureSkipVerify",
	}, fields, "%v", err)
	assert.ErrorContains(t, Config{HedgeAfter: 20}.Check(), `hedgeAfter "20ns": want a duration of at least "1ms"`)
}

func TestABadBaseURLIsAnError(t *testing.T) {
	for address, want := range map[string]string{
		"":                "empty",
		"host:1":          "TLS or plaintext",
		"http://":         "missing port",
		"http://a/x?y":    "query",
		"http://a/x#y":    "fragment",
		"http://u:p@a/":   "user information",
		"http://a/../x":   "segment",
		"http://a//x":     "segment",
		"http://a/x y":    "escaped",
		"http://a/%zz":    "escaped",
		"http://a:99999/": "port",
		"dns:///a:1":      "TLS or plaintext",
		"https://[::1/":   "[",
	} {
		_, err := readServers([]Endpoint{{Address: address}})
		require.ErrorContains(t, err, want, address)
		assert.NotContains(t, err.Error(), "u:p")
	}
	for address, want := range map[string]server{
		"http://A.example":           {scheme: "http", hostPort: "a.example:80", host: "a.example"},
		"https://a.example/":         {scheme: "https", hostPort: "a.example:443", host: "a.example"},
		"https://a.example:8443/x/y": {scheme: "https", hostPort: "a.example:8443", host: "a.example:8443", prefix: "/x/y"},
		"http://[::1]/x/":            {scheme: "http", hostPort: "[::1]:80", host: "[::1]", prefix: "/x"},
		"HTTP://127.0.0.1:7575":      {scheme: "http", hostPort: "127.0.0.1:7575", host: "127.0.0.1:7575"},
	} {
		list, err := readServers([]Endpoint{{Address: address}})
		require.NoError(t, err, address)
		list[0].Endpoint = Endpoint{}
		assert.Equal(t, want, list[0], address)
	}
	for field, h := range map[string]resolver.HealthTarget{
		"health.grpcPort": {GRPCPort: 1}, "health.grpcAddress": {GRPCAddress: "a:1"}, "health.service": {Service: "s"},
	} {
		_, err := readServers([]Endpoint{{Address: "http://a", Health: h}})
		require.ErrorContains(t, err, field)
	}
}

func TestALocationIsMappedBackIfItIsBelowABaseURL(t *testing.T) {
	list, err := readServers([]Endpoint{
		{Address: "http://a:7575"}, {Address: "https://b.example/api", ServerName: "json.example"},
	})
	require.NoError(t, err)
	l := logical{"ledger"}
	at := func(s server) *url.URL {
		u, err := url.Parse(s.page("/v2/from"))
		require.NoError(t, err)
		return u
	}
	for location, want := range map[string]string{
		"http://a:7575/v2/x?y=1#z":       "http://ledger/v2/x?y=1#z",
		"http://A:7575":                  "http://ledger",
		"//a:7575/x":                     "http://ledger/x",
		"https://b.example/api/v2/%2F":   "http://ledger/v2/%2F",
		"https://json.example:443/api/x": "http://ledger/x",
		"https://b.example/apix":         "https://b.example/apix",
		"https://b.example/":             "https://b.example/",
		"https://a:7575/":                "https://a:7575/",
		"http://a/":                      "http://a/",
		"http://evil/v2":                 "http://evil/v2",
		"relative":                       "relative",
		"/v2/x":                          "/v2/x",
		"mailto:x":                       "mailto:x",
		"http://%zz":                     "http://%zz",
	} {
		assert.Equal(t, want, l.mapBack(location, "http", at(list[0]), &list[0], list), location)
	}
	assert.Equal(t, "https://ledger/v2/x", l.mapBack("http://a:7575/v2/x", "https", at(list[0]), &list[0], nil), "of an endpoint that has left the list")
	for location, want := range map[string]string{
		"":                                  "",
		"/api/v2/x":                         "/v2/x",
		"/api":                              "http://ledger",
		"/api/":                             "/",
		"y?z#f":                             "/v2/y?z#f",
		"?q=1":                              "/v2/from?q=1",
		"../y":                              "/y",
		"/api/./v2/../y":                    "/y",
		"../../api/y":                       "/y",
		"../../other":                       "https://b.example:443/other",
		"/other":                            "https://b.example:443/other",
		"/apix":                             "https://b.example:443/apix",
		"/api/../other":                     "https://b.example:443/other",
		"https://b.example/api/../other":    "https://b.example/api/../other",
		"https://u:p@B.example:443/api/x":   "http://ledger/x",
		"//b.example/api/x":                 "http://ledger/x",
		"//json.example/api/x":              "http://ledger/x",
		"//a:7575/x":                        "//a:7575/x",
		"https:/api/x":                      "https:/api/x",
		"http://b.example:443/api/x":        "http://b.example:443/api/x",
		"https://b.example.evil/api/x":      "https://b.example.evil/api/x",
		"https://b.example:443@evil/api/x":  "https://b.example:443@evil/api/x",
		"https://b.example/api%2Fx/y":       "https://b.example/api%2Fx/y",
		"https://b.example/api/x%2F..%2Fy?": "http://ledger/x%2F..%2Fy?",
	} {
		assert.Equal(t, want, l.mapBack(location, "http", at(list[1]), &list[1], list), location)
	}
}

func TestARequestStaysBelowTheBaseURL(t *testing.T) {
	list, err := readServers([]Endpoint{{Address: "https://b.example/api"}})
	require.NoError(t, err)
	for want, u := range map[string]url.URL{
		"/api":                        {},
		"/api/":                       {Path: "/"},
		"/api?q":                      {RawQuery: "q"},
		"/api/x":                      {Path: "x"},
		"/api/x%2Fy":                  {Path: "/x/y", RawPath: "/x%2Fy"},
		"*":                           {Path: "*"},
		"https://b.example:443/api/x": {Opaque: "//ledger/x"},
		"https://b.example:443/api/":  {Opaque: "//ledger"},
		"https://b.example:443/api/?": {Opaque: "//ledger?"},
		"/api/x%2F":                   {Opaque: "/x%2F"},
	} {
		u.Scheme, u.Host = "http", "ledger"
		to, host := logical{"ledger"}.rewrite(&http.Request{URL: &u}, &list[0])
		assert.Equal(t, want, to.RequestURI())
		assert.Equal(t, "b.example", host)
	}
}

func TestAClientIsWatchedAndOperatedAsOneOfGRPC(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{}, a, b)
	page := statuspage.Handler(c, statuspage.WithActions(c))
	defer page.Close()
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?format=text", nil))
	assert.Contains(t, w.Body.String(), "2 of 2 endpoints eligible")

	require.NoError(t, c.Switch(t.Context(), "b"))
	_, body, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.Equal(t, "b", body)
	require.NoError(t, c.Pin("a"))
	assert.Equal(t, "a", c.Status().Failover.Pinned)
	var refused *cantonlb.RefusedError
	require.ErrorAs(t, c.Switch(t.Context(), "b"), &refused)
	require.ErrorAs(t, c.Drain("a"), &refused)
	require.NoError(t, c.Unpin())
	require.NoError(t, c.Drain("a"))
	require.NoError(t, c.Drain("a"))
	s, _ := c.Status().Endpoint("a")
	assert.Equal(t, report.StateDrained, s.State)
	assert.Equal(t, "b", c.Status().Failover.Active)
	require.NoError(t, c.Undrain("a"))
	require.Error(t, c.Drain("x"))

	_, body, err = send(t, c, "GET", "/x", "", func(r *http.Request) { *r = *r.WithContext(WithEndpoint(r.Context(), "b")) })
	require.NoError(t, err)
	assert.Equal(t, "b", body)
	_, _, err = send(t, c, "GET", "/x", "", func(r *http.Request) { *r = *r.WithContext(WithEndpoint(r.Context(), "x")) })
	require.ErrorContains(t, err, `no endpoint "x"`)

	kinds := map[report.EventKind]int{}
	for _, e := range c.Events() {
		kinds[e.Kind]++
	}
	assert.Equal(t, 1, kinds[report.EventList])
	assert.GreaterOrEqual(t, kinds[report.EventSwitch], 3)
	for batch := range c.Subscribe(t.Context()) {
		assert.Empty(t, batch.Events)
		break
	}
	rr := newClient(t, Config{Policy: RoundRobin}, a, b)
	require.Error(t, rr.Pin("a"))
	require.NoError(t, rr.Drain("a"))
	assert.Equal(t, 1, rr.Status().Eligible())
	assert.Equal(t, SafetyOnce, rr.Safety(httptest.NewRequest(http.MethodPost, "http://ledger/v2/parties", nil)))
	assert.Equal(t, SafetyOnce, rr.Safety(httptest.NewRequest(http.MethodGet, "http://other/", nil)))
	rr.HTTP().CloseIdleConnections()
}

func TestAnUpdateKeepsWhatStaysAndProvesWhatIsNew(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	b.ready.Store(503)
	c := newClient(t, Config{Policy: RoundRobin}, a)
	require.Error(t, c.Update(nil))
	require.NoError(t, c.Update([]Endpoint{{Name: "b", Address: b.URL}}))
	_, body, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.Equal(t, "a", body, "the old endpoint serves until the new one can")
	assert.Contains(t, c.Status().Notes[0], "have left the list")
	b.ready.Store(200)
	require.Eventually(t, func() bool {
		_, body, err := send(t, c, "GET", "/x", "")
		return err == nil && body == "b"
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, c.WaitHealthy(t.Context(), 1))
	require.NoError(t, c.Update([]Endpoint{{Name: "b", Address: b.URL, Weight: 3}, {Name: "a", Address: a.URL}}))
	s, _ := c.Status().Endpoint("b")
	assert.Equal(t, report.Healthy, s.Health, "it keeps what is known")
	assert.Equal(t, 3, s.Weight)
	totals := c.Status().Totals
	assert.EqualValues(t, 3, totals.ListsAccepted)
	assert.EqualValues(t, 1, totals.ListsRefused)
}

func TestAnEndpointWhoseRequestsFailIsEjected(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: RoundRobin, Ejection: cantonlb.Ejection{BaseTime: 50 * time.Millisecond}}, a, b)
	a.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	require.Eventually(t, func() bool {
		_, _, err := send(t, c, "GET", "/x", "")
		s, _ := c.Status().Endpoint("a")
		return err == nil && s.Ejections > 0
	}, 10*time.Second, time.Millisecond)
	a.handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a") })
	require.Eventually(t, func() bool {
		_, body, err := send(t, c, "GET", "/x", "")
		s, _ := c.Status().Endpoint("a")
		return err == nil && body == "a" && !s.Ejected
	}, 10*time.Second, time.Millisecond)
}

func TestASlowServerIsHedged(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: LeastLoaded, HedgeAfter: 10 * time.Millisecond, HealthCheck: slow()}, a, b)
	for _, p := range []*peer{a, b} {
		name := p.name
		first := true
		p.handle(func(w http.ResponseWriter, r *http.Request) {
			if name == "a" && first {
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, name)
		})
	}
	for range 2 {
		_, body, err := send(t, c, "GET", "/x", "")
		require.NoError(t, err)
		assert.Equal(t, "b", body)
	}
	totals := c.Status().Totals
	assert.NotZero(t, totals.HedgesWon)
	assert.GreaterOrEqual(t, totals.Hedged, totals.HedgesWon, "on a busy machine the second request may be slow, too")
	assert.Zero(t, totals.Retried)

	c = newClient(t, Config{
		Policy: LeastLoaded, HedgeAfter: 10 * time.Millisecond, HealthCheck: slow(), RetryBudget: cantonlb.RetryBudget{Share: -1, PerSecond: -1},
	}, a, b)
	for _, p := range []*peer{a, b} {
		p.handle(func(w http.ResponseWriter, r *http.Request) {
			sleep.For(r.Context(), 50*time.Millisecond)
			_, _ = io.WriteString(w, p.name)
		})
	}
	_, _, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.EqualValues(t, 1, c.Status().Totals.HedgesRefused)
}

// There is no third endpoint, and the one that has failed asks for a long pause, so its
// answer would be final if the other attempt were not under way.
func TestAHedgeThatFailsDoesNotWin(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: LeastLoaded, MaxAttempts: 2, HedgeAfter: 10 * time.Millisecond, HealthCheck: slow()}, a, b)
	var arrived atomic.Int32
	failed := make(chan struct{})
	for _, p := range []*peer{a, b} {
		p.handle(func(w http.ResponseWriter, r *http.Request) {
			if arrived.Add(1) == 2 {
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(http.StatusServiceUnavailable)
				close(failed)
				return
			}
			select {
			case <-failed:
				sleep.For(r.Context(), 50*time.Millisecond)
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, "good")
		})
	}
	code, body, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, code)
	assert.Equal(t, "good", body)
}

func TestHedgesCountAsAttempts(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: LeastLoaded, MaxAttempts: 1, HedgeAfter: time.Millisecond, HealthCheck: slow()}, a, b)
	for _, p := range []*peer{a, b} {
		p.handle(func(w http.ResponseWriter, r *http.Request) {
			sleep.For(r.Context(), 20*time.Millisecond)
			_, _ = io.WriteString(w, p.name)
		})
	}
	_, _, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.Zero(t, c.Status().Totals.Hedged)
}

func TestALongDownloadIsNotDead(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{NoneEligible: cantonlb.FailFast, DeadAfter: 100 * time.Millisecond}, a)
	a.handle(func(w http.ResponseWriter, _ *http.Request) {
		a.hangs.Store(true) // its probes are not answered from now on
		for range 30 {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			sleep.For(t.Context(), 20*time.Millisecond) //nolint:contextcheck // the test's
		}
	})
	_, body, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.Len(t, body, 30)
	a.hangs.Store(false)
	require.NoError(t, c.WaitHealthy(t.Context(), 1))
	a.handle(func(w http.ResponseWriter, r *http.Request) {
		a.hangs.Store(true)
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, _, err = send(t, c, "GET", "/x", "")
	require.ErrorContains(t, err, "does not answer any more")
}

func TestTheReasonOfAnUnhealthyEndpointIsTheNewestOne(t *testing.T) {
	a := newPeer(t, "a")
	a.hangs.Store(true)
	c := startClient(t, Config{HealthCheck: quick(), Endpoints: []Endpoint{{Name: "a", Address: a.URL}}})
	await := func(want report.Reason) cantonlb.EndpointStatus {
		t.Helper()
		var is cantonlb.EndpointStatus
		require.Eventually(t, func() bool {
			is, _ = c.Status().Endpoint("a")
			return is.Reason == want
		}, 10*time.Second, time.Millisecond)
		return is
	}
	hung := await(report.ReasonProbeTimeout)
	a.ready.Store(503)
	a.hangs.Store(false)
	assert.Equal(t, hung.Since, await(report.ReasonNotServing).Since)
	a.Close()
	assert.Equal(t, cantonlb.StateUnreachable, await(report.ReasonConnectFailed).State)
}

func TestWithoutProbesBeingThereIsEnough(t *testing.T) {
	a := newPeer(t, "a")
	a.ready.Store(503)
	c := newClient(t, Config{HealthCheck: healthcheck.Config{Disabled: true}}, a)
	_, body, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.Equal(t, "a", body)
	assert.Contains(t, c.Status().Notes[0], "health checking is off")
}

func TestHealthMayBeAskedForElsewhere(t *testing.T) {
	a, health := newPeer(t, "a"), newPeer(t, "health")
	a.ready.Store(503)
	for name, target := range map[string]resolver.HealthTarget{
		"another page": {HTTP: health.URL + "/livez"},
		"a status":     {HTTP: a.URL + "/readyz", ExpectedStatus: 503},
		"a port":       {TCP: health.Listener.Addr().String()},
	} {
		c := startClient(t, Config{Endpoints: []Endpoint{{Name: "a", Address: a.URL, Health: target}}})
		require.NoError(t, c.WaitHealthy(t.Context(), 1), name)
	}
	c := startClient(t, Config{HealthCheck: healthcheck.Config{HTTP: health.URL + "/readyz"}, Endpoints: []Endpoint{{Name: "a", Address: a.URL}}})
	require.NoError(t, c.WaitHealthy(t.Context(), 1))
}

func TestTwoClientsWithOneNameAreWarnedAbout(t *testing.T) {
	var lines bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelWarn}))
	open := func(name, url string, logger *slog.Logger) *Client {
		c, err := New(Config{Name: name, Logger: logger, Endpoints: []Endpoint{{Name: name, Address: url}}})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	quiet := slog.New(slog.DiscardHandler)
	first := open("warned", newPeer(t, "a").URL, quiet)
	open("other", newPeer(t, "b").URL, quiet)
	second := open("warned", newPeer(t, "c").URL, logger)
	require.NoError(t, second.Close()) // nothing is written afterwards
	assert.Contains(t, lines.String(), "two clients of this program have the same name")
	assert.Contains(t, lines.String(), first.Status().Target)
}
