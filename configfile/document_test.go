package configfile

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestADocumentBecomesJSON(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                 `{}`,
		"a: x":                               `{"a":"x"}`,
		"a: 'x: y'\n\"b c\": \"\\n\"":        `{"a":"x: y","b c":"\n"}`,
		"a: |\n  two\n  lines\n":             `{"a":"two\nlines\n"}`,
		"a: [1, -2, 0, 1.50, .5, 1e3, +2.0]": `{"a":[1,-2,0,1.5,0.5,1000,2]}`,
		"a: [010, 0x10, 0o7, 1_000, +1, .inf, -.Inf, .NaN, 1e999]": `{"a":["010","0x10","0o7","1_000","+1",".inf","-.Inf",".NaN","1e999"]}`,
		"a: [true, True, FALSE, yes, on, y]":                       `{"a":[true,true,false,"yes","on","y"]}`,
		"a: [~, null, Null]\nb:":                                   `{"a":[null,null,null],"b":null}`,
		"a: [2024-01-01, \"1\", '~']":                              `{"a":["2024-01-01","1","~"]}`,
		"a:\n- b: {c: []}\n":                                       `{"a":[{"b":{"c":[]}}]}`,
		"{\"a\": \"\\u00e9\\/\",\n\t\"b\": [1,2]}":                 `{"a":"é/","b":[1,2]}`,
		"\xef\xbb\xbf---\na: 1\n...\n":                             `{"a":1}`,
		"a: <b>&c":                                                 `{"a":"\u003cb\u003e\u0026c"}`,
		"y: 1":                                                     `{"y":1}`,
	} {
		d, err := parseDocument("f", []byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, string(d.json), text)
	}
}

// Everything that encoding/json accepts means the same here, except for a few notations.
func TestJSONMeansWhatItMeans(t *testing.T) {
	scalar := rapid.OneOf(
		rapid.Map(rapid.StringMatching(`[ -~éß]{0,8}`), func(s string) any { return s }),
		rapid.Map(rapid.IntRange(-1000, 1000), func(n int) any { return float64(n) }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	)
	value := rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(scalar, 0, 4), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z.\[\]"]{1,4}`), scalar, 0, 4), func(m map[string]any) any { return m }),
	)
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,4}`), value, 0, 5).Draw(t, "given")
		text, err := json.MarshalIndent(given, "", rapid.SampledFrom([]string{"", "  ", "\t"}).Draw(t, "indent"))
		require.NoError(t, err)
		d, err := parseDocument("", text)
		require.NoError(t, err, string(text))
		var got map[string]any
		require.NoError(t, json.Unmarshal(d.json, &got))
		want, err := json.Marshal(given)
		require.NoError(t, err)
		back, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(back))
	})
}

func TestAtMostAFewErrorsAreShown(t *testing.T) {
	_, err := parseDocument("f", []byte(strings.Repeat("? [a]\n: 1\n", 100)))
	assert.Len(t, strings.Split(err.Error(), "\n"), fault.Max)
	_, err = parseDocument("f", []byte("a: ["+strings.Repeat("!!str x,", 1000)+"]"))
	assert.Len(t, strings.Split(err.Error(), "\n"), fault.Max)
}

const sample = `a: 1
b:
  - x
  - {c: 2, "d.e": 3}
f: {g: {h: 4}}
`

func TestErrorsAboutValuesAreLocated(t *testing.T) {
	d, err := parseDocument("lb.yaml", []byte(sample))
	require.NoError(t, err)
	for field, want := range map[string]struct{ key, value string }{
		"a":            {"lb.yaml:1:1: ", "lb.yaml:1:4: "},
		"b":            {"lb.yaml:2:1: ", "lb.yaml:3:3: "},
		"b[0]":         {"lb.yaml:3:5: ", "lb.yaml:3:5: "},
		"b[1].c":       {"lb.yaml:4:6: ", "lb.yaml:4:9: "},
		`b[1]."d.e"`:   {"lb.yaml:4:12: ", "lb.yaml:4:19: "},
		"f.g.h":        {"lb.yaml:5:9: ", "lb.yaml:5:12: "},
		"f.g.missing":  {"lb.yaml:5:5: ", "lb.yaml:5:8: "},
		"b[7].c":       {"lb.yaml:2:1: ", "lb.yaml:3:3: "},
		"b[-1]":        {"lb.yaml:2:1: ", "lb.yaml:3:3: "},
		"a.b":          {"lb.yaml:1:1: ", "lb.yaml:1:4: "},
		"missing.b[1]": {"lb.yaml:1:1: ", "lb.yaml:1:1: "},
		"":             {"lb.yaml:1:1: ", "lb.yaml:1:1: "},
	} {
		for value, place := range map[string]string{"": want.key, "7": want.value} {
			given := &configerr.Error{Field: field, Value: value, Want: "more"}
			assert.Equal(t, place+given.Error(), d.locate(given).Error())
		}
	}
	assert.NoError(t, d.locate(nil))
	assert.EqualError(t, d.locate(errors.New("odd")), "lb.yaml:1:1: odd")
	joined := d.locate(errors.Join(
		&configerr.Error{Field: "b[1].c", Value: "2", Problem: "bad"}, &configerr.Error{Field: "f", Value: "{...}", Want: "a JSON object"},
	))
	assert.EqualError(t, joined, "lb.yaml:4:9: b[1].c 2: bad\nlb.yaml:5:4: f {...}: want a mapping of keys to values")
	var typed *configerr.Error
	require.ErrorAs(t, joined, &typed)
	assert.Equal(t, "b[1].c", typed.Field)
}

func TestVariablesAreExpandedOnlyInBraces(t *testing.T) {
	t.Setenv("CANTONLB_A", "x")
	t.Setenv("CANTONLB_B", "${CANTONLB_A}$")
	t.Setenv("CANTONLB_EMPTY", "")
	for text, want := range map[string]string{
		"":                                "",
		"plain":                           "plain",
		"${CANTONLB_A}":                   "x",
		"/a/${CANTONLB_A}/${CANTONLB_A}b": "/a/x/xb",
		"${CANTONLB_B}":                   "${CANTONLB_A}$", // not looked at again
		"${CANTONLB_EMPTY}":               "",
		"$$":                              "$",
		"$${CANTONLB_A}":                  "${CANTONLB_A}",
		"$$${CANTONLB_A}":                 "$x",
	} {
		got, err := expand(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"hush${CANTONLB_NOT_SET}": "want the environment variable CANTONLB_NOT_SET to be set",
		"hush$HOME":               "want ${NAME} for an environment variable, or $$ for one $",
		"hush${":                  "want ${NAME} for an environment variable, or $$ for one $",
		"hush${}":                 "want ${NAME} for an environment variable, or $$ for one $",
		"hush${1A}":               "want ${NAME} for an environment variable, or $$ for one $",
		"hush${A-b}":              "want ${NAME} for an environment variable, or $$ for one $",
	} {
		_, err := expand(text)
		require.EqualError(t, err, want, text)
	}
}

func TestAnExpandedValueIsNeverShown(t *testing.T) {
	t.Setenv("CANTONLB_TOKEN", "hush")
	t.Setenv("CANTONLB_EMPTY", "")
	t.Setenv("CANTONLB_LONG", strings.Repeat("hush", 10))
	read := func(value string) (string, error) {
		var s string
		err := strictjson.Object([]byte(`{"token": `+value+`}`), map[string]func(json.RawMessage) error{"token": expanded(&s, 20)})
		return s, err
	}
	got, err := read(`"a ${CANTONLB_TOKEN}"`)
	require.NoError(t, err)
	assert.Equal(t, "a hush", got)
	for value, want := range map[string]string{
		`7`:                       "token: want a string of 1 to 20 bytes of valid Unicode",
		`"hush-hush-hush-hush-h"`: "token: want a string of 1 to 20 bytes of valid Unicode",
		`"${CANTONLB_LONG}"`:      "token: want a string of 1 to 20 bytes of valid Unicode",
		`"hush ${CANTONLB_NONE}"`: "token: want the environment variable CANTONLB_NONE to be set",
		`""`:                      "token: want a string of 1 to 20 bytes of valid Unicode",
		`"${CANTONLB_EMPTY}"`:     "token: want a string of 1 to 20 bytes of valid Unicode",
		`"hush $"`:                "token: want ${NAME} for an environment variable, or $$ for one $",
	} {
		got, err := read(value)
		require.EqualError(t, err, want)
		assert.Empty(t, got)
	}
}

func TestOnlyRegularFilesOfABoundedSizeAreRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	_, err := readFile(path)
	require.EqualError(t, err, path+": no such file or directory")
	_, err = readFile(dir)
	require.EqualError(t, err, dir+": not a regular file")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", maxSize)), 0o600))
	data, err := readFile(path)
	require.NoError(t, err)
	assert.Len(t, data, maxSize)
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", maxSize+1)), 0o600))
	_, err = readFile(path)
	require.EqualError(t, err, path+": more than 1048576 bytes: want at most that")
}

func TestTheDirectoriesThatLeadToAFile(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	// As in Kubernetes: conf/lb.yaml -> ..data/lb.yaml, ..data -> ..1
	require.NoError(t, os.MkdirAll(at("conf", "..1"), 0o700))
	require.NoError(t, os.WriteFile(at("conf", "..1", "lb.yaml"), nil, 0o600))
	require.NoError(t, os.Symlink("..1", at("conf", "..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "lb.yaml"), at("conf", "lb.yaml")))
	require.NoError(t, os.Symlink(at("conf"), at("alias")))
	require.NoError(t, os.Symlink("loop", at("loop")))
	for path, want := range map[string][]string{
		at("conf", "..1", "lb.yaml"): {at("conf", "..1")},
		at("conf", "lb.yaml"):        {at("conf"), at("conf", "..1")},
		at("alias", "lb.yaml"):       {root, at("conf"), at("conf", "..1")},
		at("conf", "none.yaml"):      {at("conf")},
		at("none", "lb.yaml"):        {root},
		at("loop"):                   {root},
	} {
		assert.Equal(t, want, directories(path), path)
	}
	t.Chdir(at("conf"))
	assert.Equal(t, []string{at("conf"), at("conf", "..1")}, directories("lb.yaml"), "a relative path")
}
