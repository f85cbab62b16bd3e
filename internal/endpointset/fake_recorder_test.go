package endpointset

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/experimental/stats"
)

// fakeRecorder stands for grpc's recorder of metrics: it adds up what it is told,
// by name and labels.
type fakeRecorder struct {
	stats.UnimplementedMetricsRecorder

	mu        sync.Mutex
	values    map[string]float64
	reporters map[int]stats.AsyncMetricReporter
	next      int
}

func series(d *stats.MetricDescriptor, labels []string) string {
	if len(labels) != len(d.Labels) {
		panic(fmt.Sprintf("%s has %d labels, not %d", d.Name, len(d.Labels), len(labels)))
	}
	return d.Name + "{" + strings.Join(labels[1:], ",") + "}" // all have the target
}

func (r *fakeRecorder) add(d *stats.MetricDescriptor, v float64, labels []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values = make(map[string]float64)
	}
	r.values[series(d, labels)] += v
}

func (r *fakeRecorder) RecordInt64Count(h *stats.Int64CountHandle, n int64, labels ...string) {
	r.add(h.Descriptor(), float64(n), labels)
}

func (r *fakeRecorder) RecordFloat64Count(h *stats.Float64CountHandle, n float64, labels ...string) {
	r.add(h.Descriptor(), n, labels)
}

// RecordFloat64Histo counts the values.
func (r *fakeRecorder) RecordFloat64Histo(h *stats.Float64HistoHandle, _ float64, labels ...string) {
	r.add(h.Descriptor(), 1, labels)
}

func (r *fakeRecorder) RegisterAsyncReporter(reporter stats.AsyncMetricReporter, _ ...stats.AsyncMetric) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reporters == nil {
		r.reporters = make(map[int]stats.AsyncMetricReporter)
	}
	r.next++
	id := r.next
	r.reporters[id] = reporter
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.reporters, id)
	}
}

// counts gives the value of every series of a counter, or of several.
func (r *fakeRecorder) counts(names ...string) map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := maps.Clone(r.values)
	maps.DeleteFunc(out, func(key string, _ float64) bool {
		name, _, _ := strings.Cut(key, "{")
		return !slices.Contains(names, name)
	})
	return out
}

// gauges asks for what is now.
func (r *fakeRecorder) gauges() map[string]float64 {
	r.mu.Lock()
	reporters := slices.Collect(maps.Values(r.reporters))
	r.mu.Unlock()
	seen := fakeGauges{}
	for _, reporter := range reporters {
		if err := reporter.Report(seen); err != nil {
			panic(err)
		}
	}
	return seen
}

type fakeGauges map[string]float64

func (g fakeGauges) RecordInt64AsyncGauge(h *stats.Int64AsyncGaugeHandle, v int64, labels ...string) {
	key := series(h.Descriptor(), labels)
	if _, twice := g[key]; twice {
		panic(key + " is reported twice")
	}
	g[key] = float64(v)
}
