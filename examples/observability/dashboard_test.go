package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/otelmetrics"
	"github.com/cantonlb/cantonlb/shard"
)

// panel is one panel of the dashboard.
type panel struct {
	Title   string `json:"title"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile("../../docs/grafana.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []panel `json:"panels"`
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	require.NotEmpty(t, dashboard.Panels)
	return dashboard.Panels
}

// expr returns a query as Grafana sends it.
func expr(text string) string {
	return strings.NewReplacer("$__rate_interval", "4s", "$__range", "1m", "$target", ".*").Replace(text)
}

// prom is a Prometheus that runs for the test.
type prom struct{ url string }

// startPrometheus starts a Prometheus that reads the targets every half second.
func startPrometheus(t *testing.T, targets []string) prom {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is missing (Debian package prometheus): the dashboard is not checked against data")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().String()
	require.NoError(t, l.Close())
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n"+
		"  - {job_name: clients, static_configs: [{targets: [%s]}]}\n", strings.Join(targets, ", "))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	cmd := exec.CommandContext(t.Context(), path, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+at, "--log.level=error")
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // interrupted at the end of the test's context
	return prom{"http://" + at}
}

// series is one series of an answer.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  []any             `json:"value"`
	Values [][]any           `json:"values"`
}

// ask returns the answer to a query, or false if Prometheus does not answer yet.
func (p prom) ask(path string, values url.Values) ([]series, bool) {
	answer, err := http.Get(p.url + "/api/v1/" + path + "?" + values.Encode())
	if err != nil {
		return nil, false
	}
	defer answer.Body.Close()
	var body struct {
		Status string `json:"status"`
		Data   struct {
			Result []series `json:"result"`
		} `json:"data"`
	}
	ok := json.NewDecoder(answer.Body).Decode(&body) == nil && body.Status == "success"
	return body.Data.Result, ok
}

// observed makes a client of a cluster and more endpoints, and serves its metrics as the
// example does.
func observed(t *testing.T, cfg cantonlb.Config) (*cantonlb.Client, string) {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	client, err := cantonlb.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	tel, err := newTelemetry(t.Context(), client, cfg.Logger)
	require.NoError(t, err)
	server := httptest.NewServer(tel.metrics)
	t.Cleanup(func() {
		server.Close()
		_ = tel.stop()
	})
	return client, strings.TrimPrefix(server.URL, "http://")
}

// observedLease holds a lease, and serves its metrics.
func observedLease(t *testing.T) string {
	t.Helper()
	candidate, err := lease.NewCandidate(lease.Config{Store: leasetest.NewStore(), Name: "pink", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	address := served(t, func(p *metric.MeterProvider) (func() error, error) {
		return otelmetrics.ObserveLeases(candidate, otelmetrics.WithMeterProvider(p))
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = candidate.Run(ctx, func(ctx context.Context, _ lease.Lease) error { // until the end of the test
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return address
}

// served serves the metrics of what observe observes.
func served(t *testing.T, observe func(*metric.MeterProvider) (func() error, error)) (address string) {
	t.Helper()
	registry := promclient.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(registry))
	require.NoError(t, err)
	stop, err := observe(metric.NewMeterProvider(metric.WithReader(exporter)))
	require.NoError(t, err)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(func() {
		server.Close()
		_ = stop()
	})
	return strings.TrimPrefix(server.URL, "http://")
}

// observedShards has a router of one shard, and serves its metrics.
func observedShards(t *testing.T, client *cantonlb.Client) string {
	t.Helper()
	router, err := shard.New(map[string]shard.Shard{"p1": {Client: client, NoDiscovery: true, Parties: []string{"alice"}}},
		shard.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = router.Close() })
	_, err = router.For(t.Context(), "alice")
	require.NoError(t, err)
	return served(t, func(p *metric.MeterProvider) (func() error, error) {
		return otelmetrics.ObserveShards(router, otelmetrics.WithMeterProvider(p))
	})
}

func endpointsOf(c *lbtest.Cluster, prefix string) []cantonlb.Endpoint {
	var list []cantonlb.Endpoint
	for i, at := range c.Addrs() {
		list = append(list, cantonlb.Endpoint{Name: fmt.Sprintf("%s%d", prefix, i+1), Address: "http://" + at})
	}
	return list
}

// Through a run with faults, each panel of the dashboard has data.
func TestEachPanelOfTheDashboardHasData(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	sequencers := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.OnTCP())
	replicas := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.OnTCP())
	replicas.SetServing(1, "", false)
	list := append(endpointsOf(sequencers, "seq"), cantonlb.Endpoint{Name: "seq4", Address: "http://" + silent.Addr().String()})
	seq, first := observed(t, cantonlb.Config{Name: "sequencer", Endpoints: list, Idempotent: []string{lbtest.EchoMethod}})
	part, second := observed(t, cantonlb.Config{Name: "participant", Policy: cantonlb.ActivePassive, Endpoints: endpointsOf(replicas, "p")})
	p := startPrometheus(t, []string{first, second, observedLease(t), observedShards(t, part)})

	require.Eventually(t, func() bool {
		found, ok := p.ask("query", url.Values{"query": {"cantonlb_endpoints_listed"}})
		return ok && len(found) == 2
	}, 60*time.Second, 200*time.Millisecond, "Prometheus has read both clients")
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calling := make(chan struct{})
	go func() {
		defer close(calling)
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			for _, client := range []*cantonlb.Client{seq, part} {
				once, done := context.WithTimeout(ctx, 500*time.Millisecond)
				_, _ = lbtest.ServedBy(once, client) // some fail
				done()
			}
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
		}
	}()
	const act = 2500 * time.Millisecond
	for _, fault := range []func(){
		func() { sequencers.Hang(0) },
		func() { sequencers.Resume(0); replicas.SetServing(0, "", false); replicas.SetServing(1, "", true) },
		func() { sequencers.Kill(1) },
		func() { sequencers.Restart(1); sequencers.SetServing(2, "", false) },
		func() {
			sequencers.SetServing(2, "", true)
			sequencers.FailCalls(0, codes.Unavailable, "out of memory")
		},
	} {
		fault()
		select {
		case <-time.After(act):
		case <-t.Context().Done():
		}
	}
	for _, x := range panels(t) {
		assert.Eventually(t, func() bool {
			for _, target := range x.Targets {
				if found, ok := p.ask("query", url.Values{"query": {expr(target.Expr)}}); ok && len(found) > 0 {
					return true
				}
			}
			return false
		}, 20*time.Second, 200*time.Millisecond, "the panel %q has data", x.Title)
	}
	cancel()
	<-calling
	if path := os.Getenv("CANTONLB_DASHBOARD"); path != "" {
		require.NoError(t, os.WriteFile(path, []byte(p.picture(t, began, time.Now())), 0o600))
	}
}

// The colours of the states, as in the dashboard.
var colours = map[string]string{
	"1": "#2f8f4e", "2": "#c9a400", "3": "#8a8f98", "4": "#d9822b", "5": "#3b73c9", "6": "#8a4fbf", "7": "#c4262e", "8": "#7d0c12",
}

// stateNames are the names of the states in the legend, by their numbers.
var stateNames = []string{1: "healthy", "suspect", "unknown", "connecting", "drained", "ejected", "unhealthy", "unreachable"}

// picture draws the panels of states, calls and failures.
func (p prom) picture(t *testing.T, from, to time.Time) string {
	t.Helper()
	const width, left, row, step = 760, 110, 22, 0.5
	var b strings.Builder
	y := 20
	scale := func(at float64) float64 {
		return left + (at-float64(from.UnixMilli())/1000)/to.Sub(from).Seconds()*(width-left-10)
	}
	for _, title := range []string{"States", "Calls by endpoint", "Failures by endpoint"} {
		var query string
		for _, x := range panels(t) {
			if x.Title == title {
				query = expr(x.Targets[0].Expr)
			}
		}
		found, ok := p.ask("query_range", url.Values{
			"query": {query}, "start": {fmt.Sprint(from.Unix())}, "end": {fmt.Sprint(to.Unix())}, "step": {"500ms"},
		})
		require.True(t, ok, title)
		require.NotEmpty(t, found, title)
		sort.Slice(found, func(i, j int) bool {
			return found[i].Metric["cantonlb_endpoint"] < found[j].Metric["cantonlb_endpoint"]
		})
		peak := 0.0
		number := func(v any) float64 { n, _ := strconv.ParseFloat(fmt.Sprint(v), 64); return n }
		for _, s := range found {
			for _, v := range s.Values {
				peak = max(peak, number(v[1]))
			}
		}
		fmt.Fprintf(&b, `<text x="5" y="%d" font-weight="bold">%s</text>`, y, html.EscapeString(title))
		if title == "States" {
			for i, name := range stateNames[1:] {
				x := left + i*(width-left-10)/(len(stateNames)-1)
				fmt.Fprintf(&b, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d" font-size="11">%s</text>`,
					x, y-10, colours[strconv.Itoa(i+1)], x+13, y, name)
			}
		} else {
			fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="11">a second; the highest bar is %.3g</text>`, left+60, y, peak)
		}
		for _, s := range found {
			y += row
			fmt.Fprintf(&b, `<text x="5" y="%d">%s</text>`, y, html.EscapeString(s.Metric["cantonlb_endpoint"]))
			if title != "States" {
				fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="1" fill="#d0d4da"/>`, left, y+3, width-left-10)
			}
			for _, v := range s.Values {
				x, n := scale(number(v[0])), number(v[1])
				w := step / to.Sub(from).Seconds() * (width - left - 10)
				if title == "States" {
					fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="14" fill="%s"/>`, x, y-12, w+.3, colours[fmt.Sprint(v[1])])
				} else if peak > 0 && n > 0 {
					h := 16 * n / peak
					fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#3b73c9"/>`, x, float64(y)+3-h, w+.3, h)
				}
			}
		}
		y += row
		for i := range 5 {
			d := to.Sub(from) * time.Duration(i) / 4
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" font-size="11" fill="#555555" text-anchor="middle">%.0f s</text>`,
				scale(float64(from.Add(d).UnixMilli())/1000), y, d.Seconds())
		}
		y += 2 * row
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+
		`<rect width="100%%" height="100%%" fill="#ffffff"/>%s</svg>`, width, y, b.String()) + "\n"
}
