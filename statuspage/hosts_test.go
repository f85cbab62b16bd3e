package statuspage_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/statuspage"
)

// under asks for the page under a host, or presses a button there.
func under(page http.Handler, method, host, query string, form url.Values, headers map[string]string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "/page"+query, strings.NewReader(form.Encode()))
	request.Host = host
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	page.ServeHTTP(answer, request)
	return answer
}

func TestThePageHasButtonsUnderTrustedHostsOnly(t *testing.T) {
	d := new(deeds)
	page := open(t, newFake("seq1"), statuspage.WithActions(d), statuspage.WithHosts("example.com", "Ops.Example.org:8080"))
	token := tokenOf(t, page)
	for host, trusted := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:80": true, "[::1]:80": true, "10.1.2.3:9": true, "localhost": true, "LOCALHOST:1": true, "a.localhost:1": true,
		"example.com": true, "ops.example.org": true, "OPS.example.org.:443": true,
		"evil.example": false, "evil.example:80": false, "example.com.evil.example": false, "notlocalhost": false, "127.0.0.1.evil.example": false,
		"": false, "%": false, "127.1": false,
	} {
		body := under(page, http.MethodGet, host, "", nil, nil).Body.String()
		assert.Equal(t, trusted, strings.Contains(body, token), "GET %q", host)
		assert.Contains(t, body, "seq1", "%q may read it", host)
		d.done = nil
		form := url.Values{"token": {token}, "endpoint": {"seq1"}, "action": {"drain"}}
		code := under(page, http.MethodPost, host, "", form, map[string]string{"Sec-Fetch-Site": "same-origin"}).Code
		assert.Equal(t, map[bool]int{true: http.StatusSeeOther, false: http.StatusForbidden}[trusted], code, "POST %q", host)
		assert.Equal(t, trusted, len(d.done) == 1, "POST %q", host)
	}
}

// Behind a proxy that changes the host, the origin shows where the page was opened.
func TestAnActionComesFromATrustedOrigin(t *testing.T) {
	d := new(deeds)
	page := open(t, newFake("seq1"), statuspage.WithActions(d), statuspage.WithHosts("example.com"))
	form := url.Values{"token": {tokenOf(t, page)}, "endpoint": {"seq1"}, "action": {"drain"}}
	for origin, code := range map[string]int{
		"https://example.com": http.StatusSeeOther, "http://127.0.0.1:80": http.StatusSeeOther,
		"http://evil.example": http.StatusForbidden, "null": http.StatusForbidden, "http://%": http.StatusForbidden,
	} {
		headers := map[string]string{"Origin": origin, "Sec-Fetch-Site": "same-origin"}
		assert.Equal(t, code, under(page, http.MethodPost, "127.0.0.1", "", form, headers).Code, origin)
	}
	assert.Len(t, d.done, 2)
}

// The live updates for a host that is not trusted have no token, although those for
// another one are kept.
func TestLiveUpdatesForAnotherHostHaveNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := statuspage.Handler(newFake("seq1"), statuspage.WithActions(new(deeds)), statuspage.WithHosts("example.com"))
		defer page.Close()
		token := tokenOf(t, page)
		for _, host := range []string{"127.0.0.1", "evil.example", "127.0.0.1", "evil.example"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/page?format=events", nil)
			request.Host = host
			answer := httptest.NewRecorder()
			page.ServeHTTP(answer, request)
			cancel()
			assert.Contains(t, answer.Body.String(), "seq1")
			assert.Equal(t, host == "127.0.0.1", strings.Contains(answer.Body.String(), token), host)
		}
	})
}

// blocked is a viewer that never reads: writes to it block until their deadline.
type blocked struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (b *blocked) SetWriteDeadline(t time.Time) error { b.deadline = t; return nil }

func (b *blocked) Write([]byte) (int, error) {
	time.Sleep(time.Until(b.deadline))
	return 0, context.DeadlineExceeded
}

// deaf is a viewer that never reads, behind buffers that take everything.
type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write(b []byte) (int, error)      { return len(b), nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }

func TestViewersThatNeverReadGiveUpTheirPlaces(t *testing.T) {
	for name, viewer := range map[string]func() http.ResponseWriter{
		"writes block":   func() http.ResponseWriter { return &blocked{ResponseRecorder: httptest.NewRecorder()} },
		"writes succeed": func() http.ResponseWriter { return deaf{httptest.NewRecorder()} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				page := statuspage.Handler(newFake("seq1"))
				defer page.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				live := func() *http.Request {
					return httptest.NewRequestWithContext(ctx, http.MethodGet, "/page?format=events", nil)
				}
				var ended atomic.Int32
				for range 32 {
					go func() {
						page.ServeHTTP(viewer(), live())
						ended.Add(1)
					}()
				}
				synctest.Wait()
				refused := httptest.NewRecorder()
				page.ServeHTTP(refused, live())
				assert.Equal(t, http.StatusServiceUnavailable, refused.Code, "they have just come")

				time.Sleep(25 * time.Second)
				for range 5 {
					go page.ServeHTTP(httptest.NewRecorder(), live())
					synctest.Wait()
				}
				welcome := httptest.NewRecorder()
				go page.ServeHTTP(welcome, live())
				synctest.Wait()
				assert.Equal(t, http.StatusOK, welcome.Code)
				assert.GreaterOrEqual(t, ended.Load(), int32(6))
				cancel()
				synctest.Wait()
			})
		})
	}
}
