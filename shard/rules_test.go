package shard

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The letters of at: what a shard says about a subject.
var letters = map[rune]Answer{
	'?': {Standing: StandingUnknown}, '-': {Standing: StandingAbsent},
	'l': {Standing: StandingHosted, Listed: true}, 'h': {Standing: StandingHosted}, 's': {Standing: StandingHosted, Permission: PermissionSubmission},
	'c': {Standing: StandingHosted, Permission: PermissionConfirmation}, 'o': {Standing: StandingHosted, Permission: PermissionObservation},
}

// at returns what shards p1, p2 and so on say, a letter for each.
func at(what string) []Answer {
	var list []Answer
	for i, letter := range what {
		a := letters[letter]
		a.Shard = "p" + string(rune('1'+i))
		list = append(list, a)
	}
	return list
}

func party(what string) subject { return subject{party: "alice", answers: at(what)} }
func acting(what, home string) subject {
	return subject{party: "alice", act: true, answers: at(what), home: home}
}
func second(what, home string) subject {
	return subject{party: "bob", act: true, answers: at(what), home: home}
}
func userAt(what string, r bool) subject {
	return subject{user: "u", strict: true, refined: r, answers: at(what)}
}
func of(subjects ...subject) []subject { return subjects }
func order(names ...string) preference { return preference{order: names} }
func permission(names ...string) preference {
	return preference{permission: true, order: names}
}

func TestTheRuleFindsTheShard(t *testing.T) {
	spread := preference{spread: true}
	for _, x := range []struct {
		about    string
		kind     Kind
		subjects []subject
		prefer   preference
		shards   []string // or
		err      string
		open     bool
	}{
		{about: "one has it", subjects: of(party("-s")), shards: []string{"p2"}},
		{about: "one has it, one has not answered", subjects: of(party("s?")), shards: []string{"p1"}, open: true},
		{about: "none has it", subjects: of(party("--")), err: `party "alice": no shard hosts it: "p1" absent, "p2" absent`},
		{about: "none is known to have it", subjects: of(party("-?")), err: `party "alice": it is not known which shard hosts it: "p1" absent, "p2" unknown`, open: true},
		{about: "none may submit", kind: KindSubmission, subjects: of(acting("oc", "")),
			err: `no shard hosts it with the permission to submit: "p1" hosted with observation, "p2" hosted with confirmation`},
		{about: "one may submit", kind: KindSubmission, subjects: of(acting("os", "")), shards: []string{"p2"}},
		{about: "one may submit, as far as is known", kind: KindSubmission, subjects: of(acting("oh", "")), shards: []string{"p2"}},
		{about: "one has listed it", subjects: of(party("l-")), shards: []string{"p1"}},
		{about: "one has listed it, which is not enough to submit", kind: KindSubmission, subjects: of(acting("l-", "")), err: `not known`, open: true},
		{about: "several", subjects: of(party("ss")), err: `party "alice": on several shards, of which none is preferred: "p1", "p2"`},
		{about: "several, whatever another one says", subjects: of(party("ss?")), err: `none is preferred: "p1", "p2"`},
		{about: "several of two parties", subjects: of(party("ss"), second("ss", "")), err: `parties "alice", "bob": on several`},
		{about: "parties of two shards", subjects: of(party("s-"), second("-s", "")),
			err: `no shard has all parties of the request: party "alice" on "p1", party "bob" on "p2"`},
		{about: "parties of two shards, and one that has not answered", subjects: of(party("s-?"), second("-s?", "")),
			err: `party "bob" on "p2"; not known of "p3"`, open: true},
		{about: "the error could be another one", subjects: of(party("-?"), second("s-", "")), err: `party "alice": it is not known`, open: true},
		{about: "parties with one common shard", subjects: of(party("ss"), second("-s", "")), shards: []string{"p2"}},
		{about: "one of two parties is nowhere", subjects: of(party("ss"), second("--", "")), err: `party "bob": no shard hosts it with`},

		{about: "the order", subjects: of(party("sss")), prefer: order("p2", "p1"), shards: []string{"p2"}},
		{about: "the order of those that are listed", subjects: of(party("sss")), prefer: order("p9", "p3"), shards: []string{"p3"}},
		{about: "none in the order", subjects: of(party("sss")), prefer: order("p9"), err: `none is preferred: "p1", "p2", "p3"`},
		{about: "none in the order yet", subjects: of(party("ss?")), prefer: order("p3"), err: `none is preferred`, open: true},
		{about: "the permission", subjects: of(party("osc")), prefer: permission(), shards: []string{"p2"}},
		{about: "the permission before the order", subjects: of(party("os")), prefer: permission("p1"), shards: []string{"p2"}},
		{about: "the order decides among equals", subjects: of(party("oss")), prefer: permission("p3"), shards: []string{"p3"}},
		{about: "equal permissions", subjects: of(party("oss")), prefer: permission(), err: `none is preferred: "p2", "p3"`},
		{about: "the least permission of the parties counts", subjects: of(party("os"), party("sc")), prefer: permission(), shards: []string{"p2"}},

		{about: "a read of a better shard that has not answered", kind: KindRead, subjects: of(party("s?")), prefer: order("p2"), shards: []string{"p1"}, open: true},
		{about: "an offset would move", subjects: of(party("s?")), prefer: order("p2"),
			err: `party "alice": on "p1", but perhaps also on shards that would then take the request: "p2" unknown`, open: true},
		{about: "an offset stays at the best", subjects: of(party("?s")), prefer: order("p2"), shards: []string{"p2"}, open: true},
		{about: "an offset would move to more permission", subjects: of(party("o?")), prefer: permission(), err: `perhaps also`, open: true},
		{about: "an offset has the most permission", subjects: of(party("s?")), prefer: permission(), shards: []string{"p1"}, open: true},
		{about: "two parties, of which one would move", subjects: of(party("ss"), second("s?", "")), prefer: order("p2"), err: `party "bob": on "p1", but`, open: true},

		{about: "reads are spread", kind: KindRead, subjects: of(party("so-c")), prefer: spread, shards: []string{"p1", "p2", "p4"}},
		{about: "reads are spread over those that have answered", kind: KindRead, subjects: of(party("s?")), prefer: spread, shards: []string{"p1"}, open: true},
		{about: "submissions are not spread", kind: KindSubmission, subjects: of(acting("ss", "")), prefer: spread, err: `none is preferred`},
		{about: "offsets are not spread", subjects: of(party("ss")), prefer: spread, err: `none is preferred`},

		{about: "a home is kept", kind: KindSubmission, subjects: of(acting("ss", "p2")), prefer: order("p1"), shards: []string{"p2"}},
		{about: "a home is kept, whoever comes", kind: KindSubmission, subjects: of(acting("s?", "p1")), prefer: order("p2"), shards: []string{"p1"}, open: true},
		{about: "a home is no preference", kind: KindSubmission, subjects: of(acting("ss", "p2")), err: `none is preferred`},
		{about: "a home is lost", kind: KindSubmission, subjects: of(acting("s-", "p2")),
			err: `party "alice": its submissions went to "p2", which may no longer submit for it, and are not moved to "p1"`},
		{about: "a home may come back", kind: KindSubmission, subjects: of(acting("s?", "p2")), err: `are not moved`, open: true},
		{about: "two homes", kind: KindSubmission, subjects: of(acting("ss", "p2"), second("ss", "p1")), prefer: order("p1"), err: `its submissions went to "p2"`},
		{about: "one home of two parties", kind: KindSubmission, subjects: of(acting("ss", "p2"), second("ss", "")), prefer: order("p1"), shards: []string{"p2"}},
		{about: "the same home of two parties", kind: KindSubmission, subjects: of(acting("ss", "p2"), second("ss", "p2")), prefer: order("p1"), shards: []string{"p2"}},
		{about: "a submission would move", kind: KindSubmission, subjects: of(acting("s?", "")), prefer: order("p2"), err: `perhaps also`, open: true},
		{about: "a submission would be refused, not moved", kind: KindSubmission, subjects: of(acting("s?", "")), shards: []string{"p1"}, open: true},

		{about: "a user on one", subjects: of(userAt("h-", false)), shards: []string{"p1"}},
		{about: "a user on several", subjects: of(userAt("hh", false)), err: `user "u": on several shards`},
		{about: "a user on one, perhaps on others", subjects: of(userAt("h?", true)), err: `user "u": on "p1", but perhaps`, open: true},
		{about: "a user is not spread", kind: KindRead, subjects: of(userAt("hh", false)), prefer: spread, err: `user "u": on several shards`},
		{about: "a user is not preferred", subjects: of(userAt("hh", false)), prefer: order("p2"), err: `user "u": on several shards`},
		{about: "a user nowhere", subjects: of(userAt("--", false)), err: `user "u": no shard has it`},
		{about: "a user and a party on two", subjects: of(userAt("h-", false), party("-s")), err: `user "u" on "p1", party "alice" on "p2"`},
	} {
		t.Run(x.about, func(t *testing.T) {
			v := decide(x.kind, x.subjects, x.prefer)
			assert.Equal(t, x.shards, v.shards)
			assert.Equal(t, x.open, v.open)
			if x.err == "" {
				require.NoError(t, v.err)
			} else {
				require.ErrorContains(t, v.err, x.err)
			}
		})
	}
}

func TestAUserOnSeveralShardsIsWhereItsPartiesAre(t *testing.T) {
	for _, x := range []struct{ users, parties, want string }{
		{"hh", "h-", "h-"},
		{"hh", "hh", "hh"},
		{"hh", "--", "hh"}, // participant_admin
		{"hhh", "?-h", "?-h"},
		{"hh-", "-?-", "-?-"},
		{"-h?", "-h-", "-h?"},
	} {
		got := refine(at(x.users), func(i int) Standing { return at(x.parties)[i].Standing })
		for i, a := range at(x.want) {
			assert.Equal(t, a.Shard, got[i].Shard)
			assert.Equal(t, a.Standing, got[i].Standing, "%v", x)
		}
	}
}

// Whatever shards say, a request never goes where one of its parties is not, a submission
// never leaves its home, and an answer that comes later may not move what is pinned.
func TestNoAnswerMovesARequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "shards")
		kind := rapid.SampledFrom([]Kind{KindPinned, KindRead, KindSubmission}).Draw(t, "kind")
		p := preference{
			permission: rapid.Bool().Draw(t, "permission"), spread: rapid.Bool().Draw(t, "spread"),
			order: rapid.Permutation([]string{"p1", "p2", "p3", "p4"}).Draw(t, "order")[:rapid.IntRange(0, 4).Draw(t, "ordered")],
		}
		var before, after []subject
		for range rapid.IntRange(1, 3).Draw(t, "subjects") {
			truth := []rune(rapid.StringOfN(rapid.RuneFrom([]rune("-socs")), n, n, n).Draw(t, "truth"))
			seen := []rune(string(truth))
			for i := range seen {
				if rapid.Bool().Draw(t, "hidden") {
					seen[i] = '?'
				}
			}
			s := acting(string(truth), rapid.SampledFrom([]string{"", "", "p1", "p2"}).Draw(t, "home"))
			s.act = kind == KindSubmission
			after = append(after, s)
			s.answers = at(string(seen))
			before = append(before, s)
		}
		v, w := decide(kind, before, p), decide(kind, after, p)
		assert.Equal(t, v.err == nil, len(v.shards) > 0)
		for _, name := range v.shards {
			for _, s := range after {
				i := int(name[1] - '1')
				assert.Equal(t, StandingHosted, s.answers[i].Standing)
				assert.Equal(t, yes, s.at(s.answers[i]))
				if s.act && s.home != "" {
					assert.Equal(t, s.home, name)
				}
			}
		}
		assert.False(t, w.open, "all have answered")
		if kind != KindRead && v.err == nil && w.err == nil {
			assert.Equal(t, v.shards, w.shards)
		}
	})
}
