package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	reply, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, reply.StatusCode)
	return string(body)
}

func TestAFlipIsSeenInMetricsLogAndTraces(t *testing.T) {
	exampletest.Long(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	p := exampletest.Start(t, "-listen", "127.0.0.1:0", "-flip", "1s", "-interval", "20ms")
	url := strings.TrimPrefix(p.WaitLine("metrics: "), "metrics: ")
	flipped := regexp.MustCompile(`cantonlb_endpoint_transitions_total\{` +
		`cantonlb_endpoint="seq1",cantonlb_reason="not_serving",cantonlb_state="unhealthy",grpc_target="static:///observed",.*\} [1-9]`)
	var metrics string
	require.Eventually(t, func() bool {
		metrics = get(t, url)
		return flipped.MatchString(metrics)
	}, 20*time.Second, 50*time.Millisecond)
	assert.Regexp(t, `cantonlb_endpoint_state\{cantonlb_endpoint="seq2",cantonlb_reason="serving",cantonlb_state="healthy",.*\} 1`, metrics)
	assert.Regexp(t, `cantonlb_endpoints_listed\{grpc_target="static:///observed",.*\} 3`, metrics)
	page := get(t, strings.TrimSuffix(url, "metrics"))
	assert.Contains(t, page, "<h1>Sequencers</h1>")
	assert.Contains(t, page, "not_serving", "among the newest events")
	live, err := http.DefaultClient.Get(strings.TrimSuffix(url, "metrics") + "?format=events")
	require.NoError(t, err)
	defer live.Body.Close()
	p.Interrupt() // a live viewer does not keep the program from ending
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
	assert.Regexp(t, `"level":"WARN","msg":"an endpoint has changed",.*"target":"static:///observed",`+
		`"number":\d+,"endpoint":"seq1","from":"healthy","to":"unhealthy","reason":"not_serving"`, result.Stderr)
	assert.Regexp(t, `"msg":"span","name":"ask",.*"cantonlb.endpoint":"seq[123]"`, result.Stderr)
	assert.NotContains(t, result.Stderr, `"level":"ERROR"`)
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-interval 0s: want a duration above zero":    {"-interval", "0s"},
		"-flip -1s: want a duration above zero":       {"-flip", "-1s"},
		`argument \"x\": want flags only`:             {"x"},
		"listen tcp":                                  {"-listen", "127.0.0.1:99999"},
		"flag provided but not defined: -no-such-one": {"-no-such-one"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}
