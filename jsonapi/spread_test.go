package jsonapi

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
)

// answers makes requests, and counts the endpoints that have answered.
func answers(t *testing.T, c *Client, requests int) map[string]int {
	t.Helper()
	by := map[string]int{}
	for range requests {
		_, body, err := send(t, c, "GET", "/x", "")
		require.NoError(t, err)
		by[body]++
	}
	return by
}

// waitAll returns a client of these endpoints once all of them are eligible.
func waitAll(t *testing.T, cfg Config) *Client {
	t.Helper()
	c := startClient(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, c.WaitHealthy(ctx, len(cfg.Endpoints)))
	return c
}

func TestRequestsAreSpreadByWeight(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := waitAll(t, Config{Policy: RoundRobin, HealthCheck: slow(), Endpoints: []Endpoint{
		{Name: "a", Address: a.URL, Weight: 3}, {Name: "b", Address: b.URL},
	}})
	assert.Equal(t, map[string]int{"a": 9, "b": 3}, answers(t, c, 12))
}

func TestRequestsStayInTheirZoneWhileEnoughOfItIsEligible(t *testing.T) {
	a, b, far := newPeer(t, "a"), newPeer(t, "b"), newPeer(t, "far")
	c := waitAll(t, Config{Policy: RoundRobin, Zone: "eu", Endpoints: []Endpoint{
		{Name: "a", Address: a.URL, Zone: "eu"}, {Name: "b", Address: b.URL, Zone: "eu"}, {Name: "far", Address: far.URL, Zone: "us"},
	}})
	assert.Equal(t, map[string]int{"a": 2, "b": 2}, answers(t, c, 4))
	require.NoError(t, c.Drain("a"))
	assert.Equal(t, map[string]int{"b": 4}, answers(t, c, 4))
	require.NoError(t, c.Drain("b"))
	assert.Equal(t, map[string]int{"far": 4}, answers(t, c, 4))
	assert.True(t, c.Status().Spilled)
}

func TestTheActiveEndpointIsOneOfTheLowestPriority(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := waitAll(t, Config{
		HealthCheck: quick(), Failover: cantonlb.Failover{FailBack: cantonlb.FailBackAfterHold, HoldDown: 50 * time.Millisecond},
		Endpoints: []Endpoint{{Name: "a", Address: a.URL, Priority: 1}, {Name: "b", Address: b.URL}},
	})
	require.Eventually(t, func() bool { return c.Status().Failover.Active == "b" }, 10*time.Second, 5*time.Millisecond)
	assert.Equal(t, map[string]int{"b": 3}, answers(t, c, 3))
}

func TestAStandbyIsPickedByItsName(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	b.ready.Store(http.StatusServiceUnavailable)
	c := startClient(t, Config{NoneEligible: cantonlb.FailFast}, a, b)
	require.NoError(t, c.WaitHealthy(t.Context(), 1))
	named := func() (string, error) {
		_, body, err := send(t, c, "GET", "/x", "", func(r *http.Request) { *r = *r.WithContext(WithEndpoint(r.Context(), "b")) })
		return body, err
	}
	_, err := named()
	require.ErrorAs(t, err, new(*NoEligibleError))
	b.ready.Store(http.StatusOK)
	require.NoError(t, c.WaitHealthy(t.Context(), 2))
	body, err := named()
	require.NoError(t, err)
	assert.Equal(t, "b", body)
	assert.Equal(t, map[string]int{"a": 4}, answers(t, c, 4), "others go to the active endpoint")
}

func TestTheLeastLoadedEndpointIsPicked(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := waitAll(t, Config{Policy: LeastLoaded, HealthCheck: slow(), Endpoints: []Endpoint{
		{Name: "a", Address: a.URL, Weight: 2}, {Name: "b", Address: b.URL},
	}})
	release, held := make(chan struct{}), make(chan struct{})
	for _, p := range []*peer{a, b} {
		p.handle(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/held" {
				held <- struct{}{}
				<-release
			}
			_, _ = io.WriteString(w, p.name)
		})
	}
	ctx := WithEndpoint(t.Context(), "a")
	done := make(chan error, 2)
	for range 2 {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://ledger/held", nil)
			resp, err := c.HTTP().Do(req)
			if err == nil {
				err = resp.Body.Close()
			}
			done <- err
		}()
		<-held
	}
	assert.Equal(t, map[string]int{"b": 4}, answers(t, c, 4), "(2+1)/2 in flight on a, and 1/1 on b")
	close(release)
	for range 2 {
		require.NoError(t, <-done)
	}
}
