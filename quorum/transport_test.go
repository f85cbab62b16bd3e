package quorum

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clientOf returns an http.Client over servers that answer so.
func clientOf(t testing.TB, cfg TransportConfig, answers ...http.HandlerFunc) (*http.Client, *Members) {
	t.Helper()
	var list []Member
	for i, a := range answers {
		list = append(list, Member{Name: fmt.Sprintf("org%d", i+1), URL: server(t, a).URL + "/api/"})
	}
	m, err := NewMembers(list, quiet())
	require.NoError(t, err)
	tr, err := NewTransport(m, cfg)
	require.NoError(t, err)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}, m
}

func fetch(t testing.TB, c *http.Client, path string) (int, string, error) {
	t.Helper()
	resp, err := c.Get("http://network.invalid" + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body), nil
}

func bomb() http.HandlerFunc {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 16<<20))
	_ = z.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes())
	}
}

func TestAGETIsAnsweredWhateverAFaultyServerDoes(t *testing.T) {
	bad := harms(func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") })
	bad["lies"] = sayJSON(`{"round":2}`)
	bad["lies with the same key twice"] = sayJSON(`{"round":2,"round":1}`)
	bad["redirects"] = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://evil.invalid/", http.StatusFound)
	}
	bad["says that 1 GiB will come"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1073741824")
		flush(w)
		<-r.Context().Done()
	}
	bad["sends a gzip bomb"] = bomb()
	bad["sends headers without end"] = func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 10<<10))
		}
		_, _ = w.Write([]byte(`{"round":1}`))
	}
	bad["nests without end"] = sayJSON(strings.Repeat(`{"a":`, 100_000))
	for name, harm := range bad {
		t.Run(name, func(t *testing.T) {
			const n = 7
			var answers []http.HandlerFunc
			for i := range n {
				if i < Faulty(n) {
					answers = append(answers, harm)
				} else { // the same, written differently by each
					answers = append(answers, sayJSON([]string{`{"round":1,"at":1.50}`, ` {"at": 15e-1, "round": 1.0}`}[i%2]))
				}
			}
			c, _ := clientOf(t, TransportConfig{}, answers...)
			ask := func() {
				code, body, err := fetch(t, c, "/v0/round?x=1")
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, code)
				require.Equal(t, `{"at":1.5,"round":1}`, body)
			}
			ask()
			used := allocated(func() {
				for range 20 {
					ask()
				}
			})
			assert.Less(t, used, uint64(20*n*(1<<20)), "bytes allocated by 20 requests, servers included")
		})
	}
}

func TestTheMembersAreAskedAtTheirBaseURL(t *testing.T) {
	var seen atomic.Value
	var credentials atomic.Int32
	answer := func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL.String() + " " + r.Header.Get("Accept") + r.Header.Get("Range") + r.Header.Get("If-None-Match"))
		if r.Header.Get("Authorization")+r.Header.Get("Cookie") != "" {
			credentials.Add(1)
		}
		w.Header().Set("X-Word-Of-One", "x")
		sayJSON(`1`)(w, r)
	}
	for _, forward := range []bool{false, true} {
		c, _ := clientOf(t, TransportConfig{ForwardCredentials: forward}, slices.Repeat([]http.HandlerFunc{answer}, 4)...)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://network.invalid/v0/a%2Fb?q=1&r=%20", nil)
		require.NoError(t, err)
		for k, v := range map[string]string{
			"Accept": "application/json", "Authorization": "Bearer secret", "Cookie": "a=b", "Range": "bytes=1-", "If-None-Match": "x",
		} {
			req.Header.Set(k, v)
		}
		resp, err := c.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "/api/v0/a%2Fb?q=1&r=%20 application/json", seen.Load())
		assert.Empty(t, resp.Header.Get("X-Word-Of-One"))
		assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
		assert.EqualValues(t, 1, resp.ContentLength)
		assert.Equal(t, forward, credentials.Load() > 0)
	}
}

func TestTheStatusIsPartOfTheAnswer(t *testing.T) {
	missing := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"trace":%q}`, r.Host)
	}
	created := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`1`))
	}
	c, _ := clientOf(t, TransportConfig{Answers: []int{404}}, missing, missing, missing, missing)
	code, body, err := fetch(t, c, "/x")
	require.NoError(t, err)
	assert.Equal(t, http.StatusNotFound, code)
	assert.Empty(t, body, "errors are in words of each member's own")

	var none *NoQuorumError
	c, _ = clientOf(t, TransportConfig{}, missing, missing, missing, missing)
	_, _, err = fetch(t, c, "/x")
	require.ErrorAs(t, err, &none)
	require.ErrorContains(t, err, "HTTP status 404")

	c, _ = clientOf(t, TransportConfig{Config: Config{Agree: 3}}, created, created, sayJSON("1"), sayJSON("1"))
	_, _, err = fetch(t, c, "/x")
	require.ErrorAs(t, err, &none, "the same body, another status")

	empty := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	c, _ = clientOf(t, TransportConfig{}, empty, empty, empty, empty)
	code, body, err = fetch(t, c, "/x")
	require.NoError(t, err)
	assert.Equal(t, http.StatusNoContent, code)
	assert.Empty(t, body)
}

func TestNumbersThatAFloatCannotTellApartDiffer(t *testing.T) {
	a, b := sayJSON(`[9007199254740993]`), sayJSON(`[9007199254740992]`)
	c, _ := clientOf(t, TransportConfig{Config: Config{Agree: 3}}, a, a, b, b)
	_, _, err := fetch(t, c, "/x")
	var none *NoQuorumError
	require.ErrorAs(t, err, &none)
}

func TestStripSaysWhatIsCompared(t *testing.T) {
	var n atomic.Int32
	answer := func(w http.ResponseWriter, r *http.Request) {
		sayJSON(fmt.Sprintf(`{"answered":%d,"x":1}`, n.Add(1)))(w, r)
	}
	all := slices.Repeat([]http.HandlerFunc{answer}, 4)
	strip := func(_ *http.Request, body []byte) ([]byte, error) {
		return append([]byte(`{"x" :`), body[len(body)-2:]...), nil
	}
	c, _ := clientOf(t, TransportConfig{Strip: strip}, all...)
	_, body, err := fetch(t, c, "/x")
	require.NoError(t, err)
	assert.JSONEq(t, `{"x":1}`, body)
	c, m := clientOf(t, TransportConfig{Strip: func(*http.Request, []byte) ([]byte, error) { return nil, errBroken }}, all...)
	_, _, err = fetch(t, c, "/x")
	require.Error(t, err)
	assert.Equal(t, ReasonInvalid, m.Events()[0].Reason)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOnlyGETsAreAskedOfTheMembers(t *testing.T) {
	c, _ := clientOf(t, TransportConfig{}, slices.Repeat([]http.HandlerFunc{sayJSON("1")}, 4)...)
	_, err := c.Post("http://x.invalid/", "application/json", strings.NewReader("1")) //nolint:bodyclose // an error
	require.ErrorContains(t, err, "method POST: want GET")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x.invalid/", strings.NewReader("1"))
	require.NoError(t, err)
	_, err = c.Do(req) //nolint:bodyclose // an error
	require.ErrorContains(t, err, "a GET with a body")

	errOther := errors.New("the other one")
	c, _ = clientOf(t, TransportConfig{Other: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errOther })},
		slices.Repeat([]http.HandlerFunc{sayJSON("1")}, 4)...)
	_, err = c.Post("http://x.invalid/", "application/json", strings.NewReader("1")) //nolint:bodyclose // an error
	require.ErrorIs(t, err, errOther)
}

func TestAMembersOwnTransportIsUsed(t *testing.T) {
	list := names(4)
	for i := range list {
		list[i].URL = "http://" + list[i].Name + ".invalid"
		list[i].Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			return page{status: 200, body: []byte(`"` + r.URL.Path + `"`)}.response(r), nil
		})
	}
	m, err := NewMembers(list, quiet())
	require.NoError(t, err)
	tr, err := NewTransport(m, TransportConfig{Base: http.DefaultTransport})
	require.NoError(t, err)
	tr.CloseIdleConnections()
	_, body, err := fetch(t, &http.Client{Transport: tr}, "/a")
	require.NoError(t, err)
	assert.Equal(t, `"/a"`, body)
}

func TestABadTransportConfigIsRefused(t *testing.T) {
	list := names(4)
	for i := range list {
		list[i].URL = fmt.Sprintf("http://%d.invalid", i)
	}
	m, err := NewMembers(list, quiet())
	require.NoError(t, err)
	for want, cfg := range map[string]TransportConfig{
		"answers[0] 302": {Answers: []int{302}},
		"max body -1":    {MaxBody: -1},
		"agree 9":        {Config: Config{Agree: 9}},
	} {
		_, err := NewTransport(m, cfg)
		assert.ErrorContains(t, err, want)
	}
	_, err = NewTransport(nil, TransportConfig{})
	require.Error(t, err)
	_, err = NewTransport(newMembers(t, 4), TransportConfig{})
	assert.ErrorContains(t, err, `member "org1": url: empty`)
}
