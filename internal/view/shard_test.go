package view

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/report"
)

func TestATableTellsOfEachShard(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	r := report.RouterStatus{
		Name: "parties", Refused: map[report.Reason]uint64{report.ReasonShardNowhere: 2, report.ReasonShardSplit: 2, report.ReasonShardMoved: 5},
		File: &report.FileStatus{Error: "x.yaml: bad", Pending: []string{"default", "order"}},
		Shards: []report.ShardStatus{
			{Name: "p1", State: report.ShardLive, GRPC: report.ShardLive, JSON: report.ShardLive, Parties: 3, Users: 1, Requests: 7,
				Refreshed: at.Add(-time.Minute), Participant: "p1::1220", Truncated: true},
			{Name: "p2", State: report.ShardDegraded, GRPC: report.ShardDown, JSON: report.ShardLive, LastError: "Unavailable: down"},
			{Name: "p3", State: report.ShardDistrusted, Detail: "another participant", Requests: 1},
		},
	}
	painted := map[report.ShardState]int{}
	text := Router(r, at, func(s report.ShardState) Paint {
		painted[s]++
		return func(text string) string { return "\x1b[1m" + text + "\x1b[m" }
	})
	text = strings.NewReplacer("\x1b[1m", "", "\x1b[m", "").Replace(text)
	assert.Equal(t, strings.Join([]string{
		"parties: 2 of 3 shards live; 8 requests routed, 9 refused (moved 5, nowhere 2, split 2)",
		"SHARD  STATE       GRPC  JSON  PARTIES  USERS  REQUESTS  REFRESHED  PARTICIPANT  TROUBLE",
		"p1     live        live  live  3        1      7         1m00s      p1::1220     lists more than are remembered",
		"p2     degraded    down  live  0        0      0         -          -            cannot say who is on it: Unavailable: down",
		"p3     distrusted  -     -     0        0      1         -          -            gets no requests: another participant",
		"note: the config file is refused: x.yaml: bad",
		"note: takes effect at the next start: default, order",
		"",
	}, "\n"), text)
	assert.Equal(t, map[report.ShardState]int{report.ShardLive: 1, report.ShardDegraded: 1, report.ShardDistrusted: 1}, painted)
	assert.Equal(t, "s: 1 of 1 shard live; 0 requests routed, 0 refused\nSHARD  STATE  GRPC  JSON  PARTIES  USERS  REQUESTS  REFRESHED  PARTICIPANT  TROUBLE\n"+
		"p1     live   -     -     0        0      0         -          -\n",
		Router(report.RouterStatus{Name: "s", Shards: []report.ShardStatus{{Name: "p1", State: report.ShardLive}}}, at, nil))
}

func TestAnExplanationOfAPartyIsText(t *testing.T) {
	x := report.PartyExplanation{
		Party: "bob", Home: "p2",
		Answers: []report.ShardAnswer{
			{Shard: "p1", Standing: report.ShardHosted, Permission: report.ShardObservation},
			{Shard: "p2", Standing: report.ShardHosted, Listed: true, Detail: "later"},
			{Shard: "p3", Standing: report.ShardHosted},
			{Shard: "p4", Standing: report.ShardAbsent},
			{Shard: "p5", Standing: report.ShardUnknown, Detail: "no answer yet"},
		},
		Routes: []report.PartyRoute{
			{Request: report.PartyRead, Shards: []string{"p1", "p3"}},
			{Request: report.PartyPinned, Reason: report.ReasonShardAmbiguous, Error: "shard: on several"},
			{Request: report.PartySubmission, Shards: []string{"p2"}},
			{Request: "other", Shards: []string{"p1"}},
		},
	}
	assert.Equal(t, strings.Join([]string{
		`party "bob": p1, p2, p3 host it; not known of p5`,
		"   p1  hosted with the permission of observation",
		"   p2  hosted: the participant has listed it (later)",
		"   p3  hosted, with a permission that is not known",
		"   p4  absent",
		"   p5  unknown (no answer yet)",
		"submissions stay at p2, which took the earlier ones",
		"requests with this party, and no other:",
		"   reads                        to any live one of p1, p3",
		"   reads at an offset, streams  refused (ambiguous): on several",
		"   submissions                  to p2",
		"   other                        to p1",
		"",
	}, "\n"), Party(x, nil))
	var met []bool
	Party(x, func(m bool) Paint {
		met = append(met, m)
		return func(text string) string { return text }
	})
	assert.Equal(t, []bool{true, false, true, true}, met)
	for want, answers := range map[string][]report.ShardAnswer{
		`party "a": no shard hosts it`:                             {{Shard: "p1", Standing: report.ShardAbsent}},
		`party "a": no shard is known to host it; not known of p1`: {{Shard: "p1", Standing: report.ShardUnknown}},
		`party "a": p1 hosts it`:                                   {{Shard: "p1", Standing: report.ShardHosted}},
	} {
		assert.Equal(t, want, PartyAnswer(report.PartyExplanation{Party: "a", Answers: answers}))
	}
}

func TestAnExplanationOfAUserIsText(t *testing.T) {
	said := func(shard string, is report.ShardStanding, hosts report.ShardStanding, parties ...string) report.UserAnswer {
		return report.UserAnswer{ShardAnswer: report.ShardAnswer{Shard: shard, Standing: is}, Parties: parties, Hosts: hosts}
	}
	x := report.UserExplanation{
		User: "ann",
		Answers: []report.UserAnswer{
			said("p1", report.ShardHosted, report.ShardHosted, "alice"),
			said("p2", report.ShardHosted, report.ShardAbsent, "a", "b", "c", "d", "e"),
			said("p3", report.ShardHosted, report.ShardUnknown, "a"),
			said("p4", report.ShardHosted, report.ShardAbsent),
			{ShardAnswer: report.ShardAnswer{Shard: "p5", Standing: report.ShardHosted, Listed: true, Detail: "later"}},
			said("p6", report.ShardAbsent, ""),
			{ShardAnswer: report.ShardAnswer{Shard: "p7", Standing: report.ShardUnknown, Detail: "no answer yet"}},
		},
		Routes: []report.PartyRoute{
			{Request: report.UserInRequest, Reason: report.ReasonShardAmbiguous, Error: "shard: on several"},
			{Request: report.UserInContext, Shards: []string{"p1"}},
		},
	}
	assert.Equal(t, strings.Join([]string{
		`user "ann": p1, p2, p3, p4, p5 have it; not known of p7`,
		`   p1  has it, with "alice": hosted there`,
		`   p2  has it, with "a", "b", "c" and 2 more: not hosted there`,
		`   p3  has it, with "a": it is not known whether hosted there`,
		`   p4  has it, with no party`,
		`   p5  has it: the participant has listed it (later)`,
		`   p6  absent`,
		`   p7  unknown (no answer yet)`,
		`requests with this user:`,
		`   those that name it and no party  refused (ambiguous): on several`,
		`   WithUser, ForUser                to p1`,
		``,
	}, "\n"), User(x, nil))
	for want, answers := range map[string][]report.UserAnswer{
		`user "a": no shard has it`:                               {said("p1", report.ShardAbsent, "")},
		`user "a": no shard is known to have it; not known of p1`: {said("p1", report.ShardUnknown, "")},
		`user "a": p1 has it`:                                     {said("p1", report.ShardHosted, "")},
	} {
		assert.Equal(t, want, UserAnswer(report.UserExplanation{User: "a", Answers: answers}))
	}
}

func TestLeasesAreATable(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	text := Leases([]report.LeaseStatus{
		{Name: "pink", State: report.LeaseHolder, Since: at.Add(-time.Second), Held: true, Token: 7, Holder: "a", Stuck: true, StoreFailing: true},
	}, at)
	assert.Equal(t, "1 of 1 lease held by this process\nLEASE  STATE   FOR   TOKEN  HOLDER  TROUBLE\n"+
		"pink   holder  1.0s  7      a       its work has not returned; the store fails: no answer\n", text)
}
