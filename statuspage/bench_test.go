package statuspage_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/statuspage"
)

const many = 5000

// BenchmarkPage renders the whole page of 5,000 endpoints, each of which has
// changed since the last time, and of as many that have not; and the same as JSON.
func BenchmarkPage(b *testing.B) {
	for _, bench := range []struct {
		name, query string
		change      bool
	}{
		{"all changed", "?show=all", true},
		{"none changed", "?show=all", false},
		{"overview", "", true},
		{"json", "?format=json", true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f := newFake(names(many)...)
			page := statuspage.Handler(f)
			defer page.Close()
			b.ReportAllocs()
			for b.Loop() {
				if bench.change {
					f.change(func(s *report.Status) {
						for i := range s.Endpoints {
							s.Endpoints[i].Calls.Failed++
						}
					})
				}
				answer := get(page, bench.query)
				b.ReportMetric(float64(answer.Body.Len()), "bytes/page")
			}
		})
	}
}

func TestFiveThousandEndpointsFitInto50MiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(names(many)...)
		before := heap()
		page := statuspage.Handler(f)
		defer page.Close()
		for round := range 70 { // each flaps, for as long as is remembered of it
			f.change(func(s *report.Status) {
				for i := range s.Endpoints {
					e := &s.Endpoints[i]
					e.State = []report.EndpointState{report.StateUnhealthy, report.StateHealthy}[round%2]
					e.Since, e.Reason = time.Now(), report.ReasonNotServing
					p := &e.Probe
					p.At, p.Answered, p.RoundTrip = time.Now(), time.Now(), time.Duration(i+round)*time.Microsecond
				}
			})
			time.Sleep(time.Second)
		}
		kept := heap() - before
		answer := get(page, "?show=all")
		require.Equal(t, http.StatusOK, answer.Code)
		assert.Equal(t, many, strings.Count(answer.Body.String(), "<strong>e"))
		size := answer.Body.Len()
		t.Logf("the page has %.1f MiB; what is remembered %.1f MiB", mib(size), mib(kept))
		assert.Less(t, mib(kept+size), 45.0, "with room for round trips that differ")
	})
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func mib(n int) float64 { return float64(n) / (1 << 20) }
