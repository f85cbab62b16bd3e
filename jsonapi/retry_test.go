package jsonapi

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
)

func TestTheOnlyServerIsAskedAgainWhenItSaysSo(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{HealthCheck: slow()}, a)
	var times []time.Time // the requests come one after another
	a.handle(func(w http.ResponseWriter, _ *http.Request) {
		if times = append(times, time.Now()); len(times) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	status, _, err := send(t, c, "GET", "/v2/version", "")
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	require.Len(t, times, 2)
	assert.GreaterOrEqual(t, times[1].Sub(times[0]), time.Second)

	a.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	status, _, err = send(t, c, "GET", "/v2/version", "")
	require.NoError(t, err)
	assert.Equal(t, 503, status, "the deadline is earlier: the answer is returned at once")
}

func TestARequestThatWaitsToBeSentAgainFailsWhenTheClientIsClosed(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{HealthCheck: slow()}, a)
	a.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ledger/x", nil)
	require.NoError(t, err)
	failed := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := c.RoundTrip(request) //nolint:bodyclose // an error
		failed <- err
	}()
	require.Eventually(t, func() bool { return c.Status().Totals.Retried == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-failed, ErrClosed)
	assert.Less(t, time.Since(began), 15*time.Second)
}

func TestTheBudgetBoundsWhatIsSentAgain(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{
		Policy: RoundRobin, HealthCheck: slow(), RetryBudget: cantonlb.RetryBudget{Share: -1, PerSecond: 0.2}, // 2 in ten seconds
		Ejection: cantonlb.Ejection{ConsecutiveFailures: 1000},
	}, a, b)
	var sent atomic.Int64
	for _, p := range []*peer{a, b} {
		p.handle(func(w http.ResponseWriter, _ *http.Request) {
			sent.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		})
	}
	for range 20 {
		status, _, err := send(t, c, "GET", "/v2/version", "")
		require.NoError(t, err)
		assert.Equal(t, 502, status)
	}
	totals := c.Status().Totals
	assert.EqualValues(t, sent.Load()-20, totals.Retried)
	assert.LessOrEqual(t, totals.Retried, uint64(4), "two, and as many if ten seconds have passed meanwhile")
	assert.NotZero(t, totals.RetriesRefused)
}

func TestACommandIsNotSentAgainWhereTheLedgerWouldNot(t *testing.T) {
	const period = `,"deduplicationPeriod":{"DeduplicationDuration":{"value":{"seconds":0,"nanos":1}}}}`
	for name, x := range map[string]struct {
		cfg  Config
		body string
	}{
		"no command ID":           {Config{}, `{"userId":"u","actAs":["a"]}`},
		"the period is over":      {Config{}, `{"commandId":"c","userId":"u","actAs":["a"]` + period},
		"the program forbids it":  {Config{NoResubmission: true}, `{"commandId":"c","userId":"u","actAs":["a"]}`},
		"its body is not kept":    {Config{MaxReplay: 20}, `{"commandId":"c","userId":"u","actAs":["a"]}`},
		"its user is the token's": {Config{}, `{"commandId":"c","actAs":["a"]}`},
	} {
		a, b := newPeer(t, "a"), newPeer(t, "b")
		x.cfg.Policy = RoundRobin
		c := newClient(t, x.cfg, a, b)
		for _, p := range []*peer{a, b} {
			p.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		}
		status, _, err := send(t, c, "POST", "/v2/commands/submit-and-wait", x.body)
		require.NoError(t, err)
		assert.Equal(t, 503, status, name)
		assert.Len(t, append(a.got(), b.got()...), 1, name)
	}
}
