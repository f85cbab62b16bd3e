package statuspage_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/shard"
	"github.com/cantonlb/cantonlb/statuspage"
)

var _ statuspage.ShardSource = (*shard.Router)(nil)

// router is a router of shards that a test makes up.
type router struct {
	mu     sync.Mutex
	status report.RouterStatus
	events []report.ShardEvent
}

func (r *router) Status() report.RouterStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Shards = append([]report.ShardStatus(nil), s.Shards...)
	return s
}

func (r *router) Events() []report.ShardEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events
}

func (r *router) change(f func(*router)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

func (*router) Known(party string) (report.PartyExplanation, error) {
	if party == "\n" {
		return report.PartyExplanation{}, errors.New("an ID of printable characters")
	}
	return report.PartyExplanation{
		Party: party, Home: "p1",
		Answers: []report.ShardAnswer{
			{Shard: "p1", Standing: report.ShardHosted, Permission: report.ShardSubmission},
			{Shard: "p2", Standing: report.ShardUnknown, Detail: "<not asked>"},
		},
		Routes: []report.PartyRoute{
			{Request: report.PartyRead, Shards: []string{"p1"}},
			{Request: report.PartySubmission, Reason: report.ReasonShardUnsettled, Error: "shard: perhaps also on p2"},
		},
	}, nil
}

// sharded returns a router with a shard that is live, one that is degraded and cannot say
// who is on it, and one that is distrusted.
func sharded() *router {
	return &router{
		status: report.RouterStatus{
			Name: "shards", Default: "p1", Refused: map[report.Reason]uint64{report.ReasonShardNowhere: 3},
			File: &report.FileStatus{Error: "lb.yaml:1:1: shards: missing", Pending: []string{"order"}},
			Shards: []report.ShardStatus{
				{Name: "p1", State: report.ShardLive, GRPC: report.ShardLive, Parties: 7, Users: 2, Requests: 40, Participant: "p1::1220", Refreshed: time.Now()},
				{Name: "p2", State: report.ShardDegraded, GRPC: report.ShardLive, JSON: report.ShardDown, LastError: "<down>"},
				{Name: "p3", State: report.ShardDistrusted, JSON: report.ShardLive, Detail: "another participant"},
			},
		},
		events: []report.ShardEvent{{Number: 1, At: time.Now(), Kind: report.ShardEventDiscoveryFailed, Shard: "p2", Detail: "<down>"}},
	}
}

func TestThePageShowsShardsBesideEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := open(t, newFake("seq1", "seq2"), statuspage.WithShards(sharded()), statuspage.WithLeases(rules()))
		synctest.Wait()
		body := get(page, "").Body.String()
		has(t, body,
			"<strong>2 of 2 endpoints eligible</strong>", "<strong>2 of 3 shards live</strong>", "40 requests routed, 3 refused (nowhere 3); default p1",
			"the config file is refused: lb.yaml:1:1: shards: missing", "takes effect at the next start: order",
			"<strong>p1</strong> <small>p1::1220</small>", "7 parties, 2 users", "<div>live, down</div>",
			"cannot say who is on it: &lt;down&gt;", "gets no requests: another participant", `<tr role="row" class="of-suspect">`,
			"discovery_failed: shard &#34;p2&#34;: &lt;down&gt;", `<input name="party"`, `id="leases"`,
		)
		assert.NotContains(t, body, "ERROR", "a template that failed")
		var d report.Document
		require.NoError(t, json.Unmarshal(get(page, "?format=json").Body.Bytes(), &d))
		require.Len(t, d.Routers, 1)
		assert.Equal(t, report.ShardDistrusted, d.Routers[0].Shards[2].State)
		assert.EqualValues(t, 3, d.Routers[0].AllRefused())
		assert.Len(t, d.ShardEvents, 1)
		text := get(page, "?format=text").Body.String()
		assert.Contains(t, text, "shards: 2 of 3 shards live; 40 requests routed, 3 refused (nowhere 3)")
		assert.Regexp(t, `(?m)^p2 +degraded +live +down +0 +0 +0 +- +- +cannot say who is on it: <down>$`, text)
		assert.Contains(t, text, "note: the config file is refused")
		assert.NotContains(t, get(page, "?explain=seq1").Body.String(), `id="shards"`)
	})
}

func TestThePageTellsWhereAPartyIs(t *testing.T) {
	page := open(t, newFake("seq1"), statuspage.WithShards(sharded()))
	answer := get(page, "?party=alice%3A%3A1")
	assert.Equal(t, http.StatusOK, answer.Code)
	body := answer.Body.String()
	has(t, body, "Where alice::1 is", "shards: party &#34;alice::1&#34;: p1 hosts it; not known of p2",
		"hosted with the permission of submission", "unknown (&lt;not asked&gt;)", "Submissions stay at p1", "to p1",
		"refused (unsettled): perhaps also on p2", `class="unmet"`)
	assert.NotContains(t, body, "ERROR")
	assert.NotContains(t, body, `id="rows"`)
	assert.Equal(t, strings.Count(body, "<section"), strings.Count(body, "</section>"))
	var list []report.PartyExplanation
	require.NoError(t, json.Unmarshal(get(page, "?party=alice&format=json").Body.Bytes(), &list))
	assert.Equal(t, "p1", list[0].Home)
	text := get(page, "?party=alice&format=text").Body.String()
	assert.Contains(t, text, "party \"alice\": p1 hosts it; not known of p2\n   p1  hosted with the permission of submission\n   p2  unknown (<not asked>)\n"+
		"submissions stay at p1, which took the earlier ones\nrequests with this party, and no other:\n   reads        to p1\n")
	for _, format := range []string{"json", "text"} {
		assert.Equal(t, http.StatusBadRequest, get(page, "?party=%0A&format="+format).Code)
	}
	assert.Contains(t, get(page, "?party=%0A").Body.String(), "an ID of printable characters")
	without := open(t, newFake("seq1"))
	assert.NotContains(t, get(without, "?party=alice").Body.String(), "alice", "a page without shards knows no parties")
	assert.NotContains(t, get(without, "").Body.String(), "shard")
	assert.NotContains(t, get(without, "?format=json").Body.String(), "router")
	several := open(t, newFake("seq1"), statuspage.WithShards(sharded()), statuspage.WithClients(newFake("m1")))
	require.NoError(t, json.Unmarshal(get(several, "?party=bob&format=json").Body.Bytes(), &list))
	assert.Equal(t, "bob", list[0].Party)
}

func TestEachOfSeveralClientsIsFoundByItsNameAndNoOther(t *testing.T) {
	clients := []*fake{newFake("seq1"), newFake("json1"), newFake("json2")}
	for i, target := range []string{"static:///north", "http://ledger/#north-json", "http://ledger/#north"} {
		clients[i].change(func(s *report.Status) { s.Target = target })
	}
	page := open(t, clients[0], statuspage.WithClients(clients[1], clients[2]))
	for name, endpoint := range map[string]string{"": "seq1", "north": "seq1", "north-json": "json1", "north 3": "json2"} {
		assert.Contains(t, get(page, "?format=text&client="+url.QueryEscape(name)).Body.String(), endpoint, name)
	}
	for _, query := range []string{"?client=east", "?client=east&format=json", "?client=east&explain=seq1", "?client=east&format=events"} {
		answer := get(page, query)
		assert.Equal(t, http.StatusNotFound, answer.Code, query)
		assert.Contains(t, answer.Body.String(), `client "east": no such client`)
	}
	assert.Equal(t, http.StatusOK, get(open(t, newFake("seq1")), "?client=east").Code, "a page of one client has no names")
}

func TestAProgramWithoutAClientHasAPageOfItsShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := sharded()
		page := statuspage.Handler(nil, statuspage.WithShards(r))
		defer page.Close()
		synctest.Wait()
		body := get(page, "").Body.String()
		has(t, body, "<title>Shards: 2 of 3 shards live</title>", "Skip to the shards", `<section id="shards"`)
		assert.NotContains(t, body, "eligible")
		assert.NotContains(t, body, "lease")
		assert.NotContains(t, get(page, "?format=text").Body.String(), "lease")
		f := follow(t, page, "")
		synctest.Wait()
		first := f.newest()[0]
		assert.Contains(t, first.HTML["shards"], "<strong>p3</strong>")
		assert.Equal(t, "2 of 3 shards live; shard p2 degraded; shard p3 distrusted", first.Say)
		g := follow(t, page, "&party=alice")
		r.change(func(r *router) {
			r.status.Shards[0].State = report.ShardDown
			r.events = append(r.events, report.ShardEvent{Number: 2, At: time.Now(), Kind: report.ShardEventMoved, Shard: "p1"})
		})
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		frames := f.newest()
		last := frames[len(frames)-1]
		assert.Contains(t, last.HTML["head"], "1 of 3 shards live")
		assert.Contains(t, last.HTML["events"], "moved: shard &#34;p1&#34;")
		assert.Contains(t, last.Say, "shard p1 down")
		assert.Contains(t, g.newest()[0].HTML["party"], "Where alice is")
	})
}

func TestShardsAreAccessibleOnScreensAndPhones(t *testing.T) {
	b := startBrowser(t)
	alone := statuspage.Handler(nil, statuspage.WithShards(sharded()))
	defer alone.Close()
	for name, x := range map[string]struct {
		page   *statuspage.Page
		device command
		query  string
	}{
		"shards-on-a-screen": {open(t, newFake("seq1"), statuspage.WithShards(sharded())), command{Scheme: "light"}, ""},
		"shards-on-a-phone":  {alone, command{Scheme: "dark", Width: 390, Height: 844}, ""},
		"party-on-a-phone":   {alone, command{Scheme: "light", Width: 390, Height: 844}, "?party=alice"},
	} {
		b.open(host(t, x.page).URL+x.query, x.device)
		b.wait(live)
		b.wait(`document.body.textContent.includes("p2")`)
		b.accessible()
		b.shoot(name)
	}
}
