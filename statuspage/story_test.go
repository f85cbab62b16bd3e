package statuspage_test

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/statuspage"
)

// get asks the page for something, in the program itself.
func get(page http.Handler, query string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "/page"+query, nil)
	request.Host = "localhost"
	page.ServeHTTP(answer, request)
	return answer
}

// story plays a quarter of an hour with all that can happen, and returns the page
// at its end.
func story(t *testing.T) string {
	t.Helper()
	f := newFake("seq1", "seq2", "seq3", "seq4", "seq5", "seq6", "seq7")
	page := statuspage.Handler(f, statuspage.WithTitle("Sequencers"), statuspage.WithActions(&deeds{}))
	defer page.Close()
	random := rand.New(rand.NewPCG(1, 2))
	script := map[int]func(){
		120: func() { f.turn(1, report.StateSuspect, report.ReasonSilence, "") },
		121: func() {
			f.turn(1, report.StateUnhealthy, report.ReasonProbeTimeout, "no answer within 300ms")
		},
		200: func() { f.turn(1, report.StateHealthy, report.ReasonServing, "") },
		300: func() { f.turn(3, report.StateDrained, report.ReasonDrained, "") },
		420: func() { f.turn(4, report.StateEjected, report.ReasonCallsFailing, "") },
		430: func() { f.turn(4, report.StateHealthy, report.ReasonServing, "") },
		500: func() { f.turn(4, report.StateEjected, report.ReasonCallsFailing, "") },
		520: func() { f.turn(4, report.StateHealthy, report.ReasonServing, "") },
		890: func() { f.turn(4, report.StateEjected, report.ReasonCallsFailing, "") },
		780: func() {
			f.turn(2, report.StateUnhealthy, report.ReasonNotServing, `<script>alert("server")</script> maintenance of the database, back at noon`)
		},
		600: func() {
			f.turn(5, report.StateUnreachable, report.ReasonConnectFailed, "dial tcp 10.0.0.6:5001: connect: connection refused")
			f.change(func(s *report.Status) {
				s.Endpoints[5].NextTry = time.Now().Add(305 * time.Second)
				s.Endpoints[5].ConnectionError = "dial tcp 10.0.0.6:5001: connect: connection refused"
				s.Notes = []string{"the probes exceed their budget: they are made less often than configured"}
			})
		},
		905: func() { f.turn(6, report.StateSuspect, report.ReasonProbeTimeout, "") },
	}
	for second := range 907 {
		if act := script[second]; act != nil {
			act()
		}
		for i, e := range f.Status().Endpoints {
			if e.Eligible {
				took := 2 + random.NormFloat64()*0.3 + 1.5*math.Sin(float64(second+40*i)/60)
				if second > 700 && i == 0 {
					took *= 4
				}
				f.probe(i, time.Duration(max(0.3, took)*float64(time.Millisecond)))
				f.call(i, 40+random.IntN(10))
			}
		}
		time.Sleep(time.Second)
	}
	synctest.Wait()
	answer := get(page, "")
	require.Equal(t, http.StatusOK, answer.Code)
	return answer.Body.String()
}

type deeds struct{ done []string }

func (d *deeds) Drain(name string) error { d.done = append(d.done, "drain "+name); return nil }
func (d *deeds) Switch(_ context.Context, name string) error {
	d.done = append(d.done, "switch "+name)
	return nil
}
func (d *deeds) Undrain(name string) error { d.done = append(d.done, "undrain "+name); return nil }

// takeovers plays a quarter of an hour of three replicas of one participant.
func takeovers(t *testing.T) string {
	t.Helper()
	f := replicas(0, "p1", "p2", "p3")
	passive := func(i int) { f.turn(i, report.StateUnhealthy, report.ReasonNotServing, "") }
	passive(1)
	passive(2)
	page := statuspage.Handler(f, statuspage.WithTitle("Participant"), statuspage.WithActions(&deeds{}))
	defer page.Close()
	time.Sleep(300 * time.Second)
	f.turn(0, report.StateUnreachable, report.ReasonConnectFailed, "dial tcp 10.0.0.1:5001: connect: connection refused")
	time.Sleep(12 * time.Second)
	f.turn(1, report.StateHealthy, report.ReasonServing, "")
	f.switchTo(1, report.ReasonConnectionLost)
	time.Sleep(300 * time.Second)
	f.turn(0, report.StateHealthy, report.ReasonServing, "")
	time.Sleep(2 * time.Second)
	synctest.Wait()
	return get(page, "").Body.String()
}

func TestTheActiveIsShownAndWhenItWasAnother(t *testing.T) {
	var body string
	synctest.Test(t, func(t *testing.T) { body = takeovers(t) })
	has(t, body,
		"active: p2 for 5m02s; switches: 2", `<span class="use active">active</span>`,
		"active once, 5m12s in all; unreachable once, 5m12s in all", "active once, 5m02s in all",
		`<path class="s-active" d="M285 11h312v2H285z"/>`, `<path class="s-active" d="M597 11h303v2H597z"/>`,
		`<tr id="r2" role="row" class="of-unhealthy passive out">`, `<path class="s-passive" d="M285 2h615v6H285z"/>`,
		`value="switch">Switch<span class="hidden"> to p1</span>`,
	)
	assert.Equal(t, 1, strings.Count(body, `value="switch"`), "only to what is eligible and not the active")
	b := startBrowser(t)
	b.open(frozen(t, body), command{Scheme: "light", Plain: true})
	b.shoot("takeover-light")
	b.open(frozen(t, body), command{Scheme: "dark", Plain: true})
	b.shoot("takeover-dark")
}

// frozen serves a page as it was.
func frozen(t *testing.T, body string) string {
	t.Helper()
	page := open(t, newFake())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			page.ServeHTTP(w, r)
			return
		}
		_, _ = w.Write([]byte(strings.Replace(body, "<noscript><meta", "<noscript><data", 1)))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAQuarterOfAnHourIsDrawn(t *testing.T) {
	var body string
	synctest.Test(t, func(t *testing.T) { body = story(t) })
	has(t, body,
		"<strong>3 of 7 endpoints eligible</strong>",
		// The strip in words, for seq2 and seq5.
		"unhealthy once, 1m19s in all; suspect once, 1.0s in all", "ejected 3 times, 47s in all",
		// Its first bar began before the window; a second is wide enough to be seen.
		`<path class="s-healthy" d="M0 3h105v4H0zM185 3h715v4H185z"/><path class="s-suspect" d="M105 2h9v6H105z"/>`+
			`<path class="s-unhealthy" d="M106 0h79v10H106z"/>`,
		"<li>the probes exceed their budget: they are made less often than configured</li>",
		"next try at 00:15:05",
		`endpoint &#34;seq2&#34;: suspect -&gt; unhealthy (probe_timeout: no answer within 300ms) after 1s`,
		`&lt;script&gt;alert(&#34;server&#34;)&lt;/script&gt;`,
	)
	assert.Equal(t, 1, strings.Count(body, "<script"), "the page's own, and none of a server's")
	assert.Equal(t, 7, strings.Count(body, `<svg class="spark"`))

	url := frozen(t, body)
	b := startBrowser(t)
	b.open(url, command{Scheme: "light", Plain: true, Width: 1440, Height: 900})
	b.shoot("story-light")
	b.open(url, command{Scheme: "dark", Plain: true})
	b.wait("document.documentElement.scrollWidth <= innerWidth") // nothing to scroll to the side
	b.shoot("story-dark")
	b.open(url, command{Scheme: "dark", Plain: true, Width: 390, Height: 844})
	b.shoot("story-narrow")
}

func TestAnOutageWhoseReasonChangesIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			for _, why := range []report.Reason{report.ReasonConnectionLost, report.ReasonConnectFailed, report.ReasonHandshakeFailed} {
				time.Sleep(10 * time.Second)
				f.turn(0, report.StateConnecting, why, "")
			}
			time.Sleep(10 * time.Second)
			assert.Contains(t, get(page, "").Body.String(), "<title>connecting once, 30s in all</title>")
		})
	})
}
