package shard

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/jsonread"
)

// TestEveryRequestOfTheAPIIsKnown compares the table with the requests of each release, as
// package jsonapi lists them from the API's documents.
func TestEveryRequestOfTheAPIIsKnown(t *testing.T) {
	files, err := filepath.Glob("../jsonapi/testdata/api/*.txt")
	require.NoError(t, err)
	require.Len(t, files, 5)
	documented := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			words := strings.Fields(line)
			if len(words) != 3 {
				continue
			}
			route := words[1] + " " + words[2]
			documented[route] = true
			x, segments, known := httpRoutes.Match(words[1], words[2])
			if !assert.True(t, known, route) {
				continue
			}
			assert.Len(t, x.path, len(segments), route)
			assert.Equal(t, words[0] == "resubmit" || strings.Contains(route, "reassignment"), x.kind == KindSubmission, route)
			if x.kind == KindRead || x.kind == KindAny {
				assert.Equal(t, "idempotent", words[0], route)
			}
			if words[0] == "once" {
				assert.Contains(t, []Kind{KindLocal, KindNamed, KindSubmission}, x.alone, route)
			}
		}
	}
	for route := range httpForms {
		assert.True(t, documented[route], "%s is in no document", route)
	}
}

func TestABodyIsReadWhereThePartiesAre(t *testing.T) {
	root := new(place)
	root.at("a.b.c", forParty)
	root.at("a.keys", forKeys)
	root.at("act", forActAs)
	root.at("u", forUser)
	root.at("any", forLocal)
	for text, want := range map[string]bodyReader{
		`{}`:   {},
		`null`: {},
		`{"a":{"b":[{"c":"1"},{"d":"no","c":["2","3"]},null],"keys":{"4":{"5":"no"},"6":7}},"act":"8","u":"9"}`: {
			actAs: []string{"8"}, parties: []string{"1", "2", "3", "4", "6"}, user: "9",
		},
		`{"a":null,"act":null,"u":null,"any":null,"x":{"act":["no"]}}`: {},
		`{"any":{}}`:        {local: true},
		`{"any":[1]}`:       {local: true},
		`{"any":true}`:      {local: true},
		`{"any":0}`:         {local: true},
		`{"any":"x"}`:       {local: true},
		`{"any":"","u":""}`: {},
		`[]`:                {},
		`{"a":[{"b":{"c":["1"]}},{"keys":{"":0,"2":0}}],"u":[]}`: {parties: []string{"1", "2"}},
		`{"act":["\u0061"]}`: {actAs: []string{"a"}},
	} {
		r := bodyReader{Reader: jsonread.New([]byte(text))}
		require.NoError(t, r.read(root), text)
		r.Reader = jsonread.Reader{}
		assert.Equal(t, want, r, text)
	}
	for _, bad := range []string{
		``, `{`, `1`, `"x"`, `{"a":1}`, `{"a":"x"}`, `{"a":{"b":["x"]}}`, `{"a":{"keys":"x"}}`, `{"a":{"keys":["x"]}}`,
		`{"act":{}}`, `{"act":[[1]]}`, `{"act":true}`, `{"u":{}}`, `{"u":1}`, `{"act":[{"x":1}]}`, `{"a":{},"a":{}}`, `{"act":["x"`,
		`{"a":{"keys":{"x":1,"x":1}}}`, `{} x`, `{"act":[["x"]]}`, `[[{"act":"x"}]]`,
	} {
		r := bodyReader{Reader: jsonread.New([]byte(bad))}
		require.Error(t, r.read(root), bad)
	}
}

func TestABodyThatNestsListsIsRefused(t *testing.T) {
	lists := strings.Repeat("[", MaxBody-64)
	for route, beginning := range map[string]string{
		"POST /v2/commands/submit-and-wait": `{"actAs":`,
		"POST /v2/updates":                  `{"filter":{"filtersByParty":`,
		"POST /v1/parties":                  ``,
	} {
		r := bodyReader{Reader: jsonread.New([]byte(beginning + lists))}
		require.ErrorIs(t, r.read(httpForms[route].body), jsonread.ErrUnexpected, route)
	}
}

// FuzzBody reads any body for any route: nothing panics, what is taken is in the text as
// encoding/json reads it, and never from below a command's arguments.
func FuzzBody(f *testing.F) {
	for _, x := range asksFor {
		f.Add([]byte(x.body))
	}
	f.Add([]byte(`{"actAs":["a"],"commands":[{"CreateCommand":{"createArguments":{"actAs":["b"]}}}]}`))
	var places []*place
	for _, x := range httpForms {
		if x.body != nil {
			places = append(places, x.body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range places {
			r := bodyReader{Reader: jsonread.New(body)}
			if r.read(p) != nil {
				continue
			}
			var whole any
			if err := json.NewDecoder(bytes.NewReader(body)).Decode(&whole); err != nil {
				t.Fatalf("%q was read: %v", body, err)
			}
			all := textsIn(whole, nil)
			for _, party := range append(r.actAs, r.parties...) {
				if !all[party] {
					t.Fatalf("%q: the party %q is not in it", body, party)
				}
			}
			if len(r.actAs)+len(r.parties) > maxParties {
				t.Fatalf("%d parties", len(r.actAs)+len(r.parties))
			}
		}
	})
}

// textsIn returns all texts and keys of a value, except those below "commands" when that is a
// list, as the commands of a submission are.
func textsIn(v any, all map[string]bool) map[string]bool {
	if all == nil {
		all = make(map[string]bool)
	}
	switch x := v.(type) {
	case string:
		all[x] = true
	case []any:
		for _, e := range x {
			textsIn(e, all)
		}
	case map[string]any:
		for key, e := range x {
			all[key] = true
			if _, list := e.([]any); !list || key != "commands" {
				textsIn(e, all)
			}
		}
	}
	return all
}
