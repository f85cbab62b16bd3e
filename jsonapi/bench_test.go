package jsonapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// BenchmarkGET compares GETs of this client with those of a plain transport, in turn, so
// that both meet the same load of the machine.
func BenchmarkGET(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"version":"3.4"}`) }))
	defer s.Close()
	plain := defaultModel()
	defer plain.CloseIdleConnections()
	c, err := New(Config{HealthCheck: slow(), Endpoints: []Endpoint{{Name: "a", Address: s.URL}}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	get := func(client *http.Client, base string) time.Duration {
		began := time.Now()
		resp, err := client.Get(base + "/v2/version")
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return time.Since(began)
	}
	var theirs, ours []time.Duration
	both := func() {
		theirs = append(theirs, get(&http.Client{Transport: plain}, s.URL))
		ours = append(ours, get(c.HTTP(), "http://ledger"))
	}
	both()
	for b.Loop() {
		both()
	}
	slices.Sort(theirs)
	slices.Sort(ours)
	p50 := func(d []time.Duration) float64 { return float64(d[len(d)/2]) / float64(time.Microsecond) }
	b.ReportMetric(p50(theirs), "plain-p50-us")
	b.ReportMetric(p50(ours), "p50-us")
	b.ReportMetric(p50(ours)/p50(theirs), "ratio")
}
