package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/shard"
	"github.com/cantonlb/cantonlb/statuspage"
)

// sharded writes a file of three shards, each of one server: p3 is asked who is on it, and
// knows of nothing of the kind.
func sharded(t *testing.T, c *lbtest.Cluster, more string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(more + "shards:\n")
	for i, parties := range []string{"alice, bob", "bob", ""} {
		fmt.Fprintf(&b, "  p%d:\n    client: {role: \"\", endpoints: [{name: a, address: \"http://%s\"}]}\n", i+1, c.Addrs()[i])
		if parties != "" {
			fmt.Fprintf(&b, "    lookUps: false\n    parties: [%s]\n", parties)
		}
	}
	return file(t, "shards.yaml", b.String())
}

func TestCheckOfShards(t *testing.T) {
	c := cluster(t, 3)
	path := sharded(t, c, "default: p1\n")
	r := command(t, "check", "--config", path)
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Regexp(t, `(?m)^shards: 3 of 3 shards live; 0 requests routed, 0 refused$`, r.out)
	assert.Regexp(t, `(?m)^p1 +live +live +- +2 +0 +0 +-`, r.out)
	assert.Regexp(t, `(?m)^3 of 3 endpoints eligible`, r.out)
	assert.Regexp(t, `(?m)^p3/a +127.* +healthy`, r.out)
	var d report.Document
	r = command(t, "check", "--config", path, "--json")
	require.NoError(t, json.Unmarshal([]byte(r.out), &d))
	require.Len(t, d.Routers, 1)
	assert.Len(t, d.Routers[0].Shards, 3)
	assert.Len(t, d.Status.Endpoints, 3)

	c.Kill(1)
	r = command(t, "check", "--config", path)
	assert.Equal(t, codeSome, r.code)
	assert.Regexp(t, `(?m)^p2 +down +down`, r.out)
	assert.Regexp(t, `(?m)^p2/a +127.* +unreachable`, r.out)
	assert.Equal(t, codeAll, command(t, "check", "--config", path, "--min", "2", "--quiet").code)
	c.Kill(0)
	c.Kill(2)
	r = command(t, "check", "--config", path, "--timeout", "1s")
	assert.Equal(t, codeNone, r.code)
	for want, args := range map[string][]string{
		"--min 4: want 1 to 3":                         {"--min", "4"},
		"--exit-codes probe: want count for shards":    {"--exit-codes", "probe"},
		"--header: want neither for shards":            {"--header", "a: b"},
		"--role and --config: want it in the file":     {"--role", "sequencer"},
		"argument \"x\": want no TARGET with --config": {"x"},
	} {
		r := command(t, append([]string{"check", "--config", path}, args...)...)
		assert.Contains(t, r.errs, want)
	}
	r = command(t, "check", "--config", file(t, "bad.yaml", "shards: {p1: {}}\n"))
	assert.Equal(t, codeUsage, r.code)
	assert.Contains(t, r.errs, "bad.yaml:1:10: shards.p1: neither client nor json is there; want at least one of them")
}

func TestExplainSaysWhereAPartyIs(t *testing.T) {
	c := cluster(t, 3)
	path := sharded(t, c, "")
	r := command(t, "explain", "--config", path, "--party", "alice", "--party", "bob", "--timeout", "20s")
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "party \"alice\": p1 hosts it; not known of p3\n")
	assert.Regexp(t, `(?m)^ +p1  hosted, with a permission that is not known$`, r.out)
	assert.Regexp(t, `(?m)^ +p2  absent$`, r.out)
	assert.Regexp(t, `(?m)^ +p3  unknown \(Unimplemented: `, r.out)
	assert.Regexp(t, `(?m)^ +submissions +to p1$`, r.out)
	assert.Contains(t, r.out, `refused (ambiguous): party "bob": on several shards, of which none is preferred: "p1", "p2"`)
	r = command(t, "explain", "--config", path, "--party", "dave", "--json", "--timeout", "20s")
	assert.Equal(t, codeNone, r.code, r.errs)
	var list []report.PartyExplanation
	require.NoError(t, json.Unmarshal([]byte(r.out), &list))
	assert.Equal(t, report.ReasonShardNotKnown, list[0].Routes[0].Reason)
	assert.Contains(t, list[0].Routes[0].Error, `it is not known which shard hosts it`)

	r = command(t, "explain", "--config", path, "p2/a")
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "p2/a is eligible")
	assert.Contains(t, command(t, "explain", "--config", path, "--party", "").errs, "--party shard: Explain: party: empty: want an ID")
	for _, args := range [][]string{{"--config", path, "--party", "a", "p2/a"}, {"--plaintext", c.Target(), "--party", "a"}} {
		assert.Contains(t, command(t, append([]string{"explain"}, args...)...).errs, "--party: want it with --config and a file of shards")
	}
}

func TestExplainSaysWhereAUserIs(t *testing.T) {
	c := cluster(t, 2)
	path := file(t, "shards.yaml", fmt.Sprintf(`shards:
  p1:
    client: {role: "", endpoints: [{name: a, address: "http://%s"}]}
    lookUps: false
    users: [ann, participant_admin]
  p2:
    client: {role: "", endpoints: [{name: a, address: "http://%s"}]}
    lookUps: false
    users: [participant_admin]
`, c.Addrs()[0], c.Addrs()[1]))
	r := command(t, "explain", "--config", path, "--user", "ann", "--user", "participant_admin")
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "user \"ann\": p1 has it\n")
	assert.Regexp(t, `(?m)^ +p2  absent$`, r.out)
	assert.Regexp(t, `(?m)^ +those that name it and no party +to p1$`, r.out)
	assert.Contains(t, r.out, "\n\nuser \"participant_admin\": p1, p2 have it\n")
	assert.Regexp(t, `(?m)^ +WithUser, ForUser +refused \(ambiguous\): user "participant_admin": on several shards`, r.out)
	r = command(t, "explain", "--config", path, "--party", "alice", "--user", "bob", "--json")
	assert.Equal(t, codeNone, r.code, r.errs)
	var list []struct {
		Party  string              `json:"party"`
		User   string              `json:"user"`
		Routes []report.PartyRoute `json:"routes"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &list))
	require.Len(t, list, 2)
	assert.Equal(t, "alice", list[0].Party)
	assert.Equal(t, "bob", list[1].User)
	assert.Equal(t, report.ReasonShardNowhere, list[1].Routes[0].Reason)
	assert.Contains(t, command(t, "explain", "--config", path, "--user", "").errs, "--user shard: ExplainUser: user: empty: want an ID")
	assert.Contains(t, command(t, "explain", "--plaintext", c.Target(), "--user", "a").errs, "--user: want it with --config and a file of shards")
}

func TestWatchOfShardsWritesALineForEachChange(t *testing.T) {
	c := cluster(t, 3)
	path := sharded(t, c, "")
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	out, errs := new(log), new(log)
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"watch", "--config", path}, strings.NewReader(""), out, errs, nil) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), `endpoint "p3/a": unknown -> healthy`) },
		testkit.Patience, 10*time.Millisecond)
	c.Kill(0)
	require.Eventually(t, func() bool { return strings.Contains(out.String(), `endpoint "p1/a": healthy -> `) },
		testkit.Patience, 10*time.Millisecond)
	cancel()
	assert.Equal(t, codeAll, testkit.Receive(t, ended), errs.String())
}

func TestTheScreenShowsShards(t *testing.T) {
	s := newScreen(func() report.Status { return report.Status{Policy: "shards"} }, time.Now)
	s.router = func() report.RouterStatus {
		return report.RouterStatus{Name: "shards", Shards: []report.ShardStatus{{Name: "p1", State: report.ShardDistrusted, Detail: "another one"}}}
	}
	s.width, s.height = 160, 30
	s.refresh(time.Now())
	text := s.draw()
	assert.Contains(t, text, "0 of 1 shard live")
	assert.Contains(t, text, "gets no requests: another one")
}

// page is a router of shards for a status page.
type page struct{}

func (page) Status() report.RouterStatus {
	return report.RouterStatus{Name: "shards", Shards: []report.ShardStatus{{Name: "p1", State: report.ShardLive}}}
}
func (page) Events() []report.ShardEvent { return nil }
func (page) Known(string) (report.PartyExplanation, error) {
	return report.PartyExplanation{}, nil
}

func TestStatusShowsShards(t *testing.T) {
	p := statuspage.Handler(nil, statuspage.WithShards(page{}))
	defer p.Close()
	server := httptest.NewServer(p)
	defer server.Close()
	r := command(t, "status", server.URL)
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "1 of 1 shard live")
	assert.NotContains(t, r.out, "endpoint")
}

func TestTheEventsOfAShardThatComesAgainAreSeen(t *testing.T) {
	c := cluster(t, 1)
	made := func() shard.Shard {
		client, err := cantonlb.NewClient(cantonlb.Config{
			Name: "p1", Endpoints: []cantonlb.Endpoint{{Name: "a", Address: "http://" + c.Addrs()[0]}}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
		return shard.Shard{Client: client, NoDiscovery: true}
	}
	router, err := shard.New(map[string]shard.Shard{"p1": made()}, shard.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s, seen := &shards{router}, make(map[source]uint64)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	healthy := func() bool {
		return slices.ContainsFunc(s.news(seen), func(e report.Event) bool { return e.Endpoint == "p1/a" && e.To == report.StateHealthy })
	}
	assert.True(t, healthy())
	assert.False(t, healthy())
	require.NoError(t, router.Update(map[string]shard.Shard{"p1": made()}))
	assert.True(t, healthy(), "of another client with the same name")
	assert.Len(t, seen, 2)
}
