package shard

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kindNames are the kinds as the guide has them.
var kindNames = map[Kind]string{
	KindPinned: "pinned", KindRead: "read", KindSubmission: "submission", KindAny: "any", KindLocal: "local", KindNamed: "named",
}

// coded returns texts as code.
func coded(texts ...string) string {
	var list []string
	for _, text := range texts {
		if text != "" {
			list = append(list, "`"+text+"`")
		}
	}
	return cmp.Or(strings.Join(list, ", "), "-")
}

// row is a row of a table of requests.
func row(name string, f form, actAs, parties []string, user string, local []string) string {
	if f.kind == KindNamed { // nothing of it is used to find the shard
		actAs, parties, user = nil, nil, ""
	}
	if f.alone == KindAny || f.alone == KindLocal { // where a user of the request does not count
		user = ""
	}
	kind := kindNames[f.kind]
	if f.alone != f.kind {
		kind += "; without a party " + kindNames[f.alone]
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s |", name, kind, coded(actAs...), coded(parties...), coded(user), coded(local...))
}

// documented returns the rows of the tables of the guide.
func documented() (rows []string) {
	for name, f := range forms {
		short := strings.TrimPrefix(string(name), "com.daml.ledger.api.")
		rows = append(rows, row(short, f, f.actAs, f.parties, f.user, f.local))
	}
	for name, f := range adminForms {
		rows = append(rows, row("admin."+name, f, f.actAs, f.parties, f.user, f.local))
	}
	inBody := func(paths []string) (list []string) {
		for _, p := range paths {
			list = append(list, cmp.Or(inJSON(p), "the body"))
		}
		return list
	}
	for route, x := range httpForms {
		parties, user := inBody(x.parties), inJSON(x.user)
		for i, what := range x.path {
			segment := strings.Split(route, "{")[i+1]
			segment = "{" + segment[:strings.IndexByte(segment, '}')+1]
			switch what {
			case isParty:
				parties = append(parties, segment)
			case isUser:
				user = segment
			case isNeither:
			}
		}
		for _, q := range x.query {
			parties = append(parties, "?"+q)
		}
		rows = append(rows, row(route, x.form, inBody(x.actAs), parties, user, inBody(x.local)))
	}
	slices.Sort(rows)
	return rows
}

func TestTheGuideListsEveryRequest(t *testing.T) {
	text, err := os.ReadFile("../docs/shard.md")
	require.NoError(t, err)
	var got []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "| `") && strings.Count(line, "|") == 7 {
			got = append(got, line)
		}
	}
	slices.Sort(got)
	if path := os.Getenv("CANTONLB_SHARD_ROWS"); path != "" {
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(documented(), "\n")), 0o600))
	}
	assert.Equal(t, documented(), got)
}
