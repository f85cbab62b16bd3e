package statuspage_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/statuspage"
)

// open makes the page of a fake, and closes it in the end.
func open(t *testing.T, f *fake, options ...statuspage.Option) *statuspage.Page {
	t.Helper()
	page := statuspage.Handler(f, options...)
	t.Cleanup(page.Close)
	return page
}

func TestThePageTellsOfEachEndpoint(t *testing.T) {
	f := newFake("seq1", "seq2")
	f.turn(1, report.StateUnhealthy, report.ReasonNotServing, "")
	body := get(open(t, f, statuspage.WithTitle("Our <sequencers>")), "").Body.String()
	has(t, body,
		"<title>Our &lt;sequencers&gt;: 1 of 2 endpoints eligible</title>", "<strong>seq1</strong>", "<code>not_serving</code>",
		`<span class="state s-unhealthy"><svg class="icon" aria-hidden="true"><use href="#i-unhealthy"/></svg>unhealthy</span>`,
		"ago, serving", "grpc_check: gRPC service &#34;&#34; on the calls&#39; own connection", "READY", "0 in flight",
		`<a href="?show=unhealthy" class="state s-unhealthy"`, "healthy_round_robin, channel READY",
	)
	assert.NotContains(t, body, "<form", "no actions unless they are asked for")
	assert.NotContains(t, body, "ERROR", "a template that failed")
}

func TestNothingIsLoadedFromElsewhereAndNothingIsInline(t *testing.T) {
	page := open(t, newFake("seq1"))
	answer := get(page, "")
	policy := answer.Header().Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'")
	assert.NotContains(t, policy, "unsafe")
	body := answer.Body.String()
	assert.NotRegexp(t, `(?i)\sstyle=|\son[a-z]+=|<style|<script>|https?://|//[a-z]`, body)
	for _, asset := range []string{"page.css", "page.js", "icon.svg"} {
		require.Contains(t, body, `"?asset=`+asset+`"`)
		got := get(page, "?asset="+asset)
		assert.Equal(t, http.StatusOK, got.Code)
		assert.Positive(t, got.Body.Len())
	}
	for _, asset := range []string{"page.html", "../page.go", "", "no.css"} {
		assert.Equal(t, http.StatusNotFound, get(page, "?asset="+url.QueryEscape(asset)).Code, asset)
	}
}

func TestWhatAServerSaysIsTextAndNeverHTML(t *testing.T) {
	const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>"'&`
	f := newFake("seq1", `<b onclick="x">`)
	f.turn(0, report.StateUnhealthy, report.ReasonProbeError, evil)
	f.turn(1, report.StateConnecting, report.ReasonConnectionLost, evil)
	f.change(func(s *report.Status) {
		s.Policy, s.Notes = evil, []string{evil}
		s.Endpoints[0].Probe.Detail, s.Endpoints[0].Probe.Target, s.Endpoints[0].Address = evil, evil, evil
		s.Endpoints[1].ConnectionError, s.Endpoints[1].State = evil+"!", report.EndpointState(evil)
	})
	page := open(t, f, statuspage.WithTitle(evil), statuspage.WithActions(new(deeds)))
	for _, query := range []string{"", "?explain=seq1", "?explain=" + url.QueryEscape(`<b onclick="x">`), "?show=unhealthy"} {
		body := get(page, query).Body.String()
		assert.Equal(t, 1, strings.Count(body, "<script"), query)
		assert.NotContains(t, body, "<img", query)
		assert.NotContains(t, body, "<b onclick", query)
		assert.Contains(t, body, "&lt;script&gt;", query)
	}
	for _, query := range []string{"?format=json", "?format=text", "?show=<script>", "?format=<script>", "?explain=<script>&format=text"} {
		answer := get(page, query)
		assert.NotContains(t, answer.Header().Get("Content-Type"), "html", query)
		assert.Equal(t, "nosniff", answer.Header().Get("X-Content-Type-Options"), query)
	}
}

func TestTheSameAsJSONAndAsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1", "seq2")
		page := statuspage.Handler(f)
		defer page.Close()
		for range 20 {
			time.Sleep(time.Second)
			f.call(0, 30)
		}
		f.turn(1, report.StateDrained, report.ReasonDrained, "")
		time.Sleep(2 * time.Second)

		var d report.Document
		answer := get(page, "?format=json")
		assert.Equal(t, "application/json", answer.Header().Get("Content-Type"))
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &d))
		assert.Equal(t, 1, d.Status.Eligible())
		assert.Len(t, d.Status.Endpoints, 2)
		assert.Equal(t, report.StateDrained, d.Status.Endpoints[1].State)
		assert.Equal(t, uint64(600), d.Status.Endpoints[0].Calls.Picked)
		require.NotNil(t, d.Status.Endpoints[0].Calls.PerSecond)
		assert.InDelta(t, 25, *d.Status.Endpoints[0].Calls.PerSecond, 10)
		assert.Zero(t, *d.Status.Endpoints[1].Calls.PerSecond)
		require.Len(t, d.Events, 1)
		assert.Equal(t, report.StateDrained, d.Events[0].To)
		assert.InDelta(t, 20, d.Events[0].Held.Seconds(), 0.001)

		text := get(page, "?format=text").Body.String()
		assert.True(t, strings.HasPrefix(text, "1 of 2 endpoints eligible, healthy_round_robin, channel READY\n"), text)
		assert.Regexp(t, `(?m)^seq2 +10.0.0.2:5001 +no +drained +2.0s `, text)
	})
}

func TestAViewSaysWhyAnEndpointIsNotPicked(t *testing.T) {
	f := newFake("seq1", "seq2")
	f.turn(1, report.StateDrained, report.ReasonDrained, "")
	page := open(t, f)
	body := get(page, "?explain=seq2").Body.String()
	assert.Contains(t, body, `<h2 id="explain-title">Why seq2 is not picked</h2>`)
	assert.Contains(t, body, "<strong>not met: not drained</strong>")
	assert.NotContains(t, body, "<strong>not met: connected</strong>")
	assert.Contains(t, get(page, "?explain=seq1").Body.String(), "Why seq1 is picked")
	assert.Contains(t, get(page, "?explain=seq2&format=text").Body.String(), "NO   not drained")
	var e view.Explanation
	require.NoError(t, json.Unmarshal(get(page, "?explain=seq2&format=json").Body.Bytes(), &e))
	assert.False(t, e.Eligible)
	for _, query := range []string{"?explain=seq9", "?explain=seq9&format=json", "?explain=seq9&format=text"} {
		assert.Equal(t, http.StatusNotFound, get(page, query).Code, query)
	}
}

// An endpoint that has left the list keeps its row, and one of the list that has its name
// now has another.
func TestAnEndpointThatHasLeftTheListIsNotTakenForItsNamesake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1", "seq2")
		page := statuspage.Handler(f)
		defer page.Close()
		row := func(address string) (id, html string) {
			for _, part := range strings.Split(get(page, "").Body.String(), "<tr id=\"")[1:] {
				if strings.Contains(part, strings.Replace(address, ":", "<wbr>:", 1)) {
					id, html, _ = strings.Cut(part, "\"")
				}
			}
			return id, html
		}
		time.Sleep(2 * time.Second)
		before, _ := row("10.0.0.1:5001")
		f.change(func(s *report.Status) {
			old := s.Endpoints[0]
			old.LeavingSince = time.Now()
			s.Leaving = []report.EndpointStatus{old}
			s.Endpoints = s.Endpoints[1:]
		})
		time.Sleep(2 * time.Second)
		id, html := row("10.0.0.1:5001")
		assert.Equal(t, before, id)
		assert.Contains(t, html, `href="?explain=seq1"`)
		assert.Contains(t, get(page, "?explain=seq1").Body.String(), "seq1 has left the list, and gets calls until")

		f.change(func(s *report.Status) {
			joins := s.Leaving[0]
			joins.LeavingSince, joins.Address, joins.Probe.RoundTrip = time.Time{}, "10.0.0.9:5001", 9*time.Millisecond
			s.Endpoints = append(s.Endpoints, joins)
		})
		time.Sleep(2 * time.Second)
		id, html = row("10.0.0.1:5001")
		assert.Equal(t, before, id)
		assert.NotContains(t, html, `href="?explain=seq1"`, "that would explain the other")
		id, html = row("10.0.0.9:5001")
		assert.NotEqual(t, before, id)
		assert.Contains(t, html, `href="?explain=seq1"`)
	})
}

func TestOfALongListThoseThatAreNotHealthyComeFirst(t *testing.T) {
	f := newFake(names(300)...)
	f.turn(299, report.StateUnhealthy, report.ReasonNotServing, "")
	f.turn(298, report.StateDrained, report.ReasonDrained, "")
	page := open(t, f)
	shown := func(query string) []string {
		var list []string
		for _, m := range regexp.MustCompile(`<th scope="row" role="rowheader"><strong>(\w+)</strong>`).FindAllStringSubmatch(get(page, query).Body.String(), -1) {
			list = append(list, m[1])
		}
		return list
	}
	overview := shown("")
	assert.Len(t, overview, 250)
	assert.Equal(t, []string{"e299", "e298", "e0", "e1"}, overview[:4])
	assert.Contains(t, get(page, "").Body.String(), `50 more endpoints are not shown; those that are not healthy come first. <a href="?show=all">`)
	assert.Len(t, shown("?show=all"), 300)
	assert.Equal(t, "e0", shown("?show=all")[0])
	assert.Equal(t, []string{"e298"}, shown("?show=drained"))
	assert.Empty(t, shown("?show=ejected"))
}

func TestARequestThatCannotBeMetSaysWhatWouldBe(t *testing.T) {
	page := open(t, newFake("seq1"))
	for query, want := range map[string]string{
		"?show=broken":                         `show "broken": want "all" or one of ["unhealthy"`,
		"?format=xml":                          `format "xml": want html, json or text`,
		"?asset=secrets":                       `asset "secrets": no such part of the page`,
		"?format=" + strings.Repeat("x", 1000): `format "` + strings.Repeat("x", 61) + `...": want`,
	} {
		answer := get(page, query)
		assert.GreaterOrEqual(t, answer.Code, 400, query)
		assert.Contains(t, answer.Body.String(), want)
	}
	long := httptest.NewRecorder()
	page.ServeHTTP(long, httptest.NewRequest(strings.Repeat("X", 1000), "/page", nil))
	assert.Contains(t, long.Body.String(), `method "`+strings.Repeat("X", 61)+`...": want`)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		answer := httptest.NewRecorder()
		page.ServeHTTP(answer, httptest.NewRequest(method, "/page", nil))
		assert.Equal(t, http.StatusMethodNotAllowed, answer.Code)
		assert.Equal(t, "GET, HEAD", answer.Header().Get("Allow"))
	}
}

func TestNobodyEligibleIsSaidAloud(t *testing.T) {
	f := newFake("seq1")
	f.turn(0, report.StateUnhealthy, report.ReasonNotServing, "")
	f.change(func(s *report.Status) { s.NoneEligibleSince = time.Now().Add(-12 * time.Second) })
	body := get(open(t, f), "").Body.String()
	assert.Regexp(t, `No endpoint is eligible for <time [^>]*>12s</time>`, body)
}

func TestAPageOutlivesItsClientAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1")
		page := statuspage.Handler(f)
		defer page.Close()
		synctest.Wait()
		assert.NotContains(t, get(page, "").Body.String(), "The client is closed")
		f.end()
		synctest.Wait()
		assert.Contains(t, get(page, "").Body.String(), "The client is closed")
		page.Close()
		page.Close() // may be called again
	})
}

func TestAPageLooksOnceASecondAndSoonAfterAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1")
		page := statuspage.Handler(f)
		defer page.Close()
		time.Sleep(time.Minute)
		before := f.looked()
		assert.InDelta(t, 60, before, 2)
		for range 1000 { // a storm
			f.turn(0, report.StateSuspect, report.ReasonSilence, "")
			time.Sleep(time.Millisecond)
		}
		assert.InDelta(t, before+10, f.looked(), 3)
	})
}
