package jsonapi

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listed is one line of testdata/api.
type listed struct{ safety, method, path string }

// readList reads the requests of one release, and its websockets.
func readList(t *testing.T, file string) (requests []listed, streams []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "api", file))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		text, _, _ := strings.Cut(line, "#")
		switch words := strings.Fields(text); {
		case len(words) == 0:
		case words[0] == "stream":
			streams = append(streams, words[1])
		default:
			require.Len(t, words, 3, line)
			requests = append(requests, listed{words[0], words[1], words[2]})
		}
	}
	return requests, streams
}

var releases = map[string]Role{"2.10.txt": JSONAPI2, "3.3.txt": JSONAPI, "3.4.txt": JSONAPI, "3.5.txt": JSONAPI, "head.txt": JSONAPI}

var inBraces = regexp.MustCompile(`\{[^}]*\}`)

// TestEveryRequestOfTheAPIIsSentAsOftenAsItsDocumentsAllow compares the tables with the
// lists of all releases, both ways.
func TestEveryRequestOfTheAPIIsSentAsOftenAsItsDocumentsAllow(t *testing.T) {
	files, err := filepath.Glob("testdata/api/*.txt")
	require.NoError(t, err)
	require.Len(t, files, len(releases))
	documented := map[string]bool{}
	for file, role := range releases {
		c, err := newClassifier(Config{}, presets[role])
		require.NoError(t, err)
		requests, _ := readList(t, file)
		require.Greater(t, len(requests), 20)
		for _, x := range requests {
			documented[x.method+" "+x.path] = true
			for _, path := range []string{x.path, inBraces.ReplaceAllString(x.path, "some-id")} {
				safety, _ := c.of(&http.Request{Method: x.method, URL: &url.URL{Path: path}})
				assert.Equal(t, Safety(x.safety), safety, "%s: %s %s", file, x.method, path)
			}
			safety, _ := c.of(&http.Request{Method: x.method, URL: &url.URL{Path: x.path + "/"}})
			if x.method == http.MethodPost {
				assert.Equal(t, SafetyOnce, safety, "%s: %s %s/", file, x.method, x.path)
			}
		}
	}
	for _, p := range presets {
		for _, route := range p.reads {
			assert.True(t, documented[route], "%s is in no document", route)
		}
		for _, x := range p.commands {
			assert.True(t, documented[x.route], "%s is in no document", x.route)
		}
	}
}

func TestAnIdempotencyKeyAndTheConfigMakeARequestIdempotent(t *testing.T) {
	c, err := newClassifier(Config{
		Idempotent:     []string{"POST /reports/{id}/render", "PATCH /x"},
		IdempotentFunc: func(r *http.Request) bool { return r.Header.Get("X-Read") != "" },
	}, presets[HTTP])
	require.NoError(t, err)
	of := func(method, path string, header ...string) Safety {
		r := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{}}
		for _, h := range header {
			r.Header.Set(h, "1")
		}
		s, _ := c.of(r)
		return s
	}
	assert.Equal(t, SafetyIdempotent, of("POST", "/reports/7/render"))
	assert.Equal(t, SafetyIdempotent, of("PATCH", "/x"))
	assert.Equal(t, SafetyIdempotent, of("POST", "/", "Idempotency-Key"))
	assert.Equal(t, SafetyIdempotent, of("POST", "/", "X-Idempotency-Key"))
	assert.Equal(t, SafetyIdempotent, of("POST", "/", "X-Read"))
	for _, path := range []string{"/reports//render", "/reports/7/render/x", "/reports/7", "/x/reports/7/render", "/v2/updates", "/x"} {
		assert.Equal(t, SafetyOnce, of("POST", path), path)
	}
	for _, bad := range []string{"", "POST", "/x", "post /x", "POST x", "POST /x?y", "POST /a/{}/b", "POST /a//{b}", "POST /a{b}/c"} {
		_, err := newClassifier(Config{Idempotent: []string{bad}}, presets[HTTP])
		assert.ErrorContains(t, err, "idempotent[0]", bad)
	}
}

func TestNoResubmissionSendsCommandsOnce(t *testing.T) {
	c, err := newClassifier(Config{NoResubmission: true}, presets[JSONAPI])
	require.NoError(t, err)
	s, _ := c.of(&http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/v2/commands/submit-and-wait"}})
	assert.Equal(t, SafetyOnce, s)
}
