package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// LiveShards returns how many shards of a router can take requests, in words.
func LiveShards(r report.RouterStatus) string {
	noun := "shards"
	if len(r.Shards) == 1 {
		noun = "shard"
	}
	return fmt.Sprintf("%d of %d %s live", r.Live(), len(r.Shards), noun)
}

// Router returns a router as text: a head, and a table with one line for each shard. Ages
// are relative to now. paint, if not nil, returns the colour of a state.
func Router(r report.RouterStatus, now time.Time, paint func(report.ShardState) Paint) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s; %s\n", r.Name, LiveShards(r), Routed(r))
	rows := [][]cell{plain("SHARD", "STATE", "GRPC", "JSON", "PARTIES", "USERS", "REQUESTS", "REFRESHED", "PARTICIPANT", "TROUBLE")}
	for _, x := range r.Shards {
		row := plain(x.Name, string(x.State), ClientState(x.GRPC), ClientState(x.JSON), strconv.Itoa(x.Parties), strconv.Itoa(x.Users),
			strconv.FormatUint(x.Requests, 10), Ago(x.Refreshed, now), cmp.Or(x.Participant, Unknown), ShardTrouble(x))
		if paint != nil {
			row[1].paint = paint(x.State)
		}
		rows = append(rows, row)
	}
	align(&out, rows)
	for _, line := range RouterNotes(r) {
		out.WriteString("note: " + line + "\n")
	}
	return out.String()
}

// ClientState returns the state of a client of a shard, or Unknown if there is no such client.
func ClientState(s report.ShardState) string { return cmp.Or(string(s), Unknown) }

// Routed returns what has become of the requests of a router, in words.
func Routed(r report.RouterStatus) string {
	sent := uint64(0)
	for _, x := range r.Shards {
		sent += x.Requests
	}
	text := fmt.Sprintf("%d requests routed, %d refused", sent, r.AllRefused())
	if reasons := Refusals(r); reasons != "" {
		text += " (" + reasons + ")"
	}
	return text
}

// Refusals returns the reasons of refusals with their counts, the most frequent first.
func Refusals(r report.RouterStatus) string {
	reasons := make([]report.Reason, 0, len(r.Refused))
	for reason := range r.Refused {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b report.Reason) int {
		return cmp.Or(cmp.Compare(r.Refused[b], r.Refused[a]), cmp.Compare(a, b))
	})
	texts := make([]string, 0, len(reasons))
	for _, reason := range reasons {
		texts = append(texts, fmt.Sprintf("%s %d", reason, r.Refused[reason]))
	}
	return strings.Join(texts, ", ")
}

// RouterNotes returns what is wrong with the config file of a router, or waits in it.
func RouterNotes(r report.RouterStatus) (notes []string) {
	f := r.File
	if f == nil {
		return nil
	}
	if f.Error != "" {
		notes = append(notes, "the config file is refused: "+f.Error)
	}
	if len(f.Pending) > 0 {
		notes = append(notes, "takes effect at the next start: "+strings.Join(f.Pending, ", "))
	}
	return notes
}

// ShardTrouble returns what is wrong with a shard, or "" if nothing is. It may contain
// printable text from a server.
func ShardTrouble(x report.ShardStatus) string {
	var list []string
	if x.Detail != "" {
		list = append(list, "gets no requests: "+x.Detail)
	}
	if x.LastError != "" {
		list = append(list, "cannot say who is on it: "+x.LastError)
	}
	if x.Truncated {
		list = append(list, "lists more than are remembered")
	}
	return strings.Join(list, "; ")
}

// The kinds of requests, for people.
var partyRequests = map[report.PartyRequest]string{
	report.PartyRead:       "reads",
	report.PartyPinned:     "reads at an offset, streams",
	report.PartySubmission: "submissions",
	report.UserInRequest:   "those that name it and no party",
	report.UserInContext:   "WithUser, ForUser",
}

// PartyRequests returns a kind of request for people.
func PartyRequests(r report.PartyRequest) string { return cmp.Or(partyRequests[r], string(r)) }

// RouteOf returns where requests go, or why they are refused.
func RouteOf(r report.PartyRoute) string {
	switch len(r.Shards) {
	case 0:
		return fmt.Sprintf("refused (%s): %s", r.Reason, strings.TrimPrefix(r.Error, "shard: "))
	case 1:
		return "to " + r.Shards[0]
	default:
		return "to any live one of " + strings.Join(r.Shards, ", ")
	}
}

// AnswerOf returns what a shard says about a party, for people.
func AnswerOf(a report.ShardAnswer) string {
	text := string(a.Standing)
	switch {
	case a.Standing == report.ShardHosted && a.Permission != report.ShardPermissionUnknown:
		text += " with the permission of " + string(a.Permission)
	case a.Listed:
		text += ": the participant has listed it"
	case a.Standing == report.ShardHosted:
		text += ", with a permission that is not known"
	}
	if a.Detail != "" {
		text += " (" + a.Detail + ")"
	}
	return text
}

// Party returns an explanation of a party as lines of text. paint, if not nil, returns the
// colour of a yes or a no.
func Party(x report.PartyExplanation, paint func(met bool) Paint) string {
	var out strings.Builder
	writeAnswers(&out, PartyAnswer(x), x.Answers, func(a report.ShardAnswer) (string, string) { return a.Shard, AnswerOf(a) })
	if x.Home != "" {
		fmt.Fprintf(&out, "submissions stay at %s, which took the earlier ones\n", x.Home)
	}
	out.WriteString("requests with this party, and no other:\n")
	writeRoutes(&out, x.Routes, paint)
	return out.String()
}

// writeAnswers writes a sentence, and below it what each shard says.
func writeAnswers[A any](out *strings.Builder, sentence string, answers []A, says func(A) (shard, text string)) {
	out.WriteString(sentence + "\n")
	var rows [][]cell
	for _, a := range answers {
		shard, text := says(a)
		rows = append(rows, plain(" ", shard, text))
	}
	align(out, rows)
}

func writeRoutes(out *strings.Builder, routes []report.PartyRoute, paint func(met bool) Paint) {
	var rows [][]cell
	for _, r := range routes {
		row := plain(" ", PartyRequests(r.Request), RouteOf(r))
		if paint != nil {
			row[2].paint = paint(len(r.Shards) > 0)
		}
		rows = append(rows, row)
	}
	align(out, rows)
}

// PartyAnswer returns in one sentence which shards host a party.
func PartyAnswer(x report.PartyExplanation) string {
	return fmt.Sprintf("party %q: ", x.Party) + whoHas(x.Answers, "host", "hosts")
}

// whoHas returns which shards have a party or a user, with a verb in the plural and in the
// singular.
func whoHas(answers []report.ShardAnswer, have, has string) string {
	var hosts, unknown []string
	for _, a := range answers {
		switch a.Standing {
		case report.ShardHosted:
			hosts = append(hosts, a.Shard)
		case report.ShardUnknown:
			unknown = append(unknown, a.Shard)
		default:
		}
	}
	var text string
	switch {
	case len(hosts) == 0 && len(unknown) == 0:
		text = "no shard " + has + " it"
	case len(hosts) == 0:
		text = "no shard is known to " + have + " it"
	case len(hosts) == 1:
		text = hosts[0] + " " + has + " it"
	default:
		text = strings.Join(hosts, ", ") + " " + have + " it"
	}
	if len(unknown) > 0 {
		text += "; not known of " + strings.Join(unknown, ", ")
	}
	return text
}

// User returns an explanation of a user as lines of text, as Party does.
func User(x report.UserExplanation, paint func(met bool) Paint) string {
	var out strings.Builder
	writeAnswers(&out, UserAnswer(x), x.Answers, func(a report.UserAnswer) (string, string) { return a.Shard, UserAnswerOf(a) })
	out.WriteString("requests with this user:\n")
	writeRoutes(&out, x.Routes, paint)
	return out.String()
}

// UserAnswer returns in one sentence which shards have a user.
func UserAnswer(x report.UserExplanation) string {
	answers := make([]report.ShardAnswer, len(x.Answers))
	for i, a := range x.Answers {
		answers[i] = a.ShardAnswer
	}
	return fmt.Sprintf("user %q: ", x.User) + whoHas(answers, "have", "has")
}

// mostUserParties is how many parties of a user a text names.
const mostUserParties = 3

// UserAnswerOf returns what a shard says about a user, for people.
func UserAnswerOf(a report.UserAnswer) string {
	if a.Standing != report.ShardHosted {
		return AnswerOf(a.ShardAnswer)
	}
	var text string
	switch n := len(a.Parties); {
	case n == 0 && a.Listed:
		text = "has it: the participant has listed it"
	case n == 0:
		text = "has it, with no party"
	default:
		named := make([]string, 0, mostUserParties)
		for _, p := range a.Parties[:min(n, mostUserParties)] {
			named = append(named, fmt.Sprintf("%q", p))
		}
		text = "has it, with " + strings.Join(named, ", ")
		if n > mostUserParties {
			text += fmt.Sprintf(" and %d more", n-mostUserParties)
		}
		text += userHosts[a.Hosts]
	}
	if a.Detail != "" {
		text += " (" + a.Detail + ")"
	}
	return text
}

var userHosts = map[report.ShardStanding]string{
	report.ShardHosted:  ": hosted there",
	report.ShardAbsent:  ": not hosted there",
	report.ShardUnknown: ": it is not known whether hosted there",
}
