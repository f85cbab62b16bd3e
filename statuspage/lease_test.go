package statuspage_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/statuspage"
)

var (
	_ statuspage.LeaseSource = (*lease.Candidate)(nil)
	_ statuspage.LeaseSource = (*lease.Group)(nil)
)

// leases is a source of leases that a test makes up.
type leases struct {
	mu     sync.Mutex
	list   []report.LeaseStatus
	events []report.LeaseEvent
}

func (l *leases) Leases() []report.LeaseStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list
}

func (l *leases) Events() []report.LeaseEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events
}

func (l *leases) set(list []report.LeaseStatus, events ...report.LeaseEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list, l.events = list, append(l.events, events...)
}

// rules returns leases of which this process holds one, waits for one, is stuck in one,
// and cannot reach the store of one.
func rules() *leases {
	return &leases{
		list: []report.LeaseStatus{
			{Name: "pink", Candidate: "a:1/00", State: report.LeaseHolder, Since: time.Now(), Held: true, Holder: "a:1/00", Token: 7},
			{Name: "green", Candidate: "a:1/00", State: report.LeaseCandidate, Since: time.Now(), Holder: "b:2/11", Token: 3},
			{Name: "blue", Candidate: "a:1/00", State: report.LeaseEnding, Since: time.Now(), Stuck: true, Holder: "b:2/11", Token: 4},
			{Name: "red", Candidate: "a:1/00", State: report.LeaseCandidate, Since: time.Now(), StoreFailing: true, StoreError: "<refused>"},
		},
		events: []report.LeaseEvent{
			{Number: 1, At: time.Now(), Kind: report.LeaseEventAcquired, Name: "pink", Holder: "a:1/00", Token: 7, Reason: report.ReasonLeaseExpired},
			{Number: 2, At: time.Now().Add(time.Second), Kind: report.LeaseEventStuck, Name: "blue", Holder: "a:1/00", Token: 3},
		},
	}
}

func TestThePageShowsLeasesBesideEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1", "seq2")
		f.turn(1, report.StateUnhealthy, report.ReasonNotServing, "")
		page := open(t, f, statuspage.WithLeases(rules()))
		synctest.Wait()
		body := get(page, "").Body.String()
		has(t, body,
			"<strong>1 of 2 endpoints eligible</strong>", "<strong>1 of 4 leases held by this process</strong>",
			"<strong>pink</strong> <small>a:1/00</small>", `<span class="use active">holder</span>`, `<span class="use">candidate</span>`,
			"its work has not returned", "the store fails: &lt;refused&gt;", `<tr role="row" class="of-healthy">`, `<tr role="row" class="of-unhealthy">`,
			"lease &#34;pink&#34;: acquired by &#34;a:1/00&#34; with token 7 (expired)", "healthy -&gt; unhealthy",
		)
		assert.NotContains(t, body, "ERROR", "a template that failed")
		assert.NotContains(t, get(page, "?explain=seq1").Body.String(), `id="leases"`)

		var d report.Document
		require.NoError(t, json.Unmarshal(get(page, "?format=json").Body.Bytes(), &d))
		require.Len(t, d.Leases, 4)
		assert.Equal(t, uint64(7), d.Leases[0].Token)
		assert.Len(t, d.LeaseEvents, 2)
		assert.Len(t, d.Status.Endpoints, 2)

		text := get(page, "?format=text").Body.String()
		assert.Contains(t, text, "1 of 2 endpoints eligible")
		assert.Regexp(t, `(?m)^green +candidate +0\.0s +3 +b:2/11$`, text)
		assert.Regexp(t, `(?m)^red +candidate +0\.0s +0 +- +the store fails: <refused>$`, text)
	})
}

func TestAPageWithoutLeasesDoesNotMentionThem(t *testing.T) {
	page := open(t, newFake("seq1"))
	assert.NotContains(t, get(page, "").Body.String(), "lease")
	assert.NotContains(t, get(page, "?format=json").Body.String(), "lease")
	assert.NotContains(t, get(page, "?format=text").Body.String(), "lease")
}

func TestAProgramWithoutAClientHasAPageOfItsLeases(t *testing.T) {
	page := statuspage.Handler(nil, statuspage.WithLeases(rules()))
	t.Cleanup(page.Close)
	body := get(page, "").Body.String()
	has(t, body, "<title>Leases: 1 of 4 leases held by this process</title>", `<section id="leases"`, "<strong>green</strong>")
	assert.NotContains(t, body, "eligible")
	assert.NotContains(t, body, `id="rows"`)
	assert.NotContains(t, body, "The client is closed")
	assert.Equal(t, strings.Count(body, "<table"), strings.Count(body, "</table>"))
	assert.NotContains(t, get(page, "?format=text").Body.String(), "endpoint")
	page.Close()
	assert.Contains(t, get(page, "").Body.String(), "<strong>green</strong>", "its last state")
}

// What a viewer is sent is the section that has changed, within a second.
func TestALeaseThatChangesIsSentToViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := rules()
		page := statuspage.Handler(nil, statuspage.WithLeases(l))
		defer page.Close()
		f := follow(t, page, "")
		synctest.Wait()
		first := f.newest()[0]
		assert.Contains(t, first.HTML["leases"], "<strong>green</strong>")
		assert.NotContains(t, first.HTML, "more", "it has no rows")
		assert.Equal(t, "1 of 4 leases held by this process; lease pink holder; lease blue ending: its work has not returned; "+
			"lease red candidate: the store fails: <refused>", first.Say)
		list := rules().list
		list[1].State, list[1].Held = report.LeaseHolder, true
		l.set(list, report.LeaseEvent{Number: 3, At: time.Now(), Kind: report.LeaseEventAcquired, Name: "green", Holder: "a:1/00", Token: 4})
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		frames := f.newest()
		last := frames[len(frames)-1]
		assert.Contains(t, last.HTML["head"], "2 of 4 leases")
		assert.Contains(t, last.HTML["events"], "lease &#34;green&#34;: acquired")
		assert.Contains(t, last.Say, "lease green holder")
	})
}

func TestThePageOfACandidateIsWhatItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := lease.NewCandidate(lease.Config{
			Store: leasetest.NewStore(), Name: "pink", Clock: lease.Monotonic, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		page := statuspage.Handler(nil, statuspage.WithLeases(c))
		defer page.Close()
		ctx, stop := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			result <- c.Run(ctx, func(ctx context.Context, _ lease.Lease) error {
				<-ctx.Done()
				return nil
			})
		}()
		time.Sleep(2 * time.Second)
		has(t, get(page, "").Body.String(), "1 of 1 lease held by this process", "acquired by")
		stop()
		require.NoError(t, <-result)
		time.Sleep(2 * time.Second)
		has(t, get(page, "").Body.String(), "0 of 1 lease held by this process", `<span class="use">closed</span>`, "released by")
	})
}

func TestLeasesAreAccessibleOnScreensAndPhones(t *testing.T) {
	b := startBrowser(t)
	f := newFake("seq1", "seq2")
	alone := statuspage.Handler(nil, statuspage.WithLeases(rules()))
	defer alone.Close()
	for name, x := range map[string]struct {
		page   *statuspage.Page
		device command
	}{
		"leases-on-a-screen": {open(t, f, statuspage.WithLeases(rules())), command{Scheme: "light"}},
		"leases-on-a-phone":  {alone, command{Scheme: "dark", Width: 390, Height: 844}},
	} {
		b.open(host(t, x.page).URL, x.device)
		b.wait(live)
		b.wait(`document.getElementById("leases").textContent.includes("its work has not returned")`)
		b.accessible()
		b.shoot(name)
	}
}
