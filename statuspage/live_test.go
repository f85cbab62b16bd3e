package statuspage_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/statuspage"
)

// frame is what the page's script gets.
type frame struct {
	HTML  map[string]string `json:"html"`
	Order []string          `json:"order"`
	Say   string            `json:"say"`
	at    time.Time
}

// follower is a viewer's end of a live connection.
type follower struct {
	cancel context.CancelFunc
	header http.Header
	code   int
	done   chan struct{} // closed when the handler has returned

	mu       sync.Mutex
	text     strings.Builder
	frames   []frame
	id       string // the newest event's
	deadline time.Time
	stuck    bool // reads nothing any more
}

func follow(t *testing.T, page http.Handler, query string) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{cancel: cancel, header: http.Header{}, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		page.ServeHTTP(f, httptest.NewRequestWithContext(ctx, http.MethodGet, "/page?format=events"+query, nil))
	}()
	t.Cleanup(func() { cancel(); <-f.done })
	return f
}

func (f *follower) Header() http.Header    { return f.header }
func (f *follower) WriteHeader(status int) { f.code = status }
func (f *follower) FlushError() error      { return nil }

func (f *follower) SetWriteDeadline(at time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline = at
	return nil
}

func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck {
		wait := time.Until(f.deadline)
		f.mu.Unlock()
		time.Sleep(wait)
		f.mu.Lock()
		return 0, os.ErrDeadlineExceeded
	}
	f.text.Write(p)
	for line := range strings.Lines(string(p)) {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			f.id = strings.TrimSpace(id)
		}
		if data, ok := strings.CutPrefix(line, "data: {"); ok {
			n := frame{at: time.Now()}
			if err := json.Unmarshal([]byte("{"+data), &n); err != nil {
				return 0, errors.New("a frame is no JSON: " + data)
			}
			f.frames = append(f.frames, n)
		}
	}
	return len(p), nil
}

// newest returns the frames, and forgets them.
func (f *follower) newest() []frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	frames := f.frames
	f.frames = nil
	return frames
}

func (f *follower) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.String()
}

func inTime(t *testing.T, f *fake, test func(t *testing.T, page *statuspage.Page), options ...statuspage.Option) {
	t.Helper()
	page := statuspage.Handler(f, options...)
	defer page.Close()
	synctest.Wait()
	test(t, page)
}

func TestAViewerIsSentEachChangeWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1", "seq2", "seq3")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			v := follow(t, page, "")
			synctest.Wait()
			first := v.newest()
			require.Len(t, first, 1)
			assert.Equal(t, []string{"r0", "r1", "r2"}, first[0].Order)
			assert.Len(t, first[0].HTML, 6, "three rows, the head, the list of events and what is hidden")
			assert.Equal(t, "3 of 3 endpoints eligible", first[0].Say)

			time.Sleep(10*time.Second + 30*time.Millisecond)
			v.newest()
			changed := time.Now()
			f.turn(1, report.StateUnhealthy, report.ReasonNotServing, "")
			time.Sleep(time.Second)
			frames := v.newest()
			require.NotEmpty(t, frames)
			assert.LessOrEqual(t, frames[0].at.Sub(changed), 100*time.Millisecond)
			assert.Contains(t, frames[0].HTML["r1"], "s-unhealthy")
			assert.NotContains(t, frames[0].HTML, "r0", "what has not changed is not sent")
			assert.Contains(t, frames[0].HTML["events"], "not_serving")
			assert.Equal(t, "2 of 3 endpoints eligible; seq2 unhealthy", frames[0].Say)
			assert.Nil(t, frames[0].Order)
		})
	})
}

func TestAViewerThatComesBackIsSentOnlyWhatItHasNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1", "seq2")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			v := follow(t, page, "")
			time.Sleep(2 * time.Second) // the calls per second are known then
			v.cancel()
			<-v.done
			f.turn(1, report.StateUnhealthy, report.ReasonNotServing, "")
			time.Sleep(time.Second)

			back := follow(t, page, "&since="+v.id)
			synctest.Wait()
			first := back.newest()
			require.Len(t, first, 1)
			assert.Contains(t, first[0].HTML, "r1")
			assert.NotContains(t, first[0].HTML, "r0")
			assert.Equal(t, []string{"r0", "r1"}, first[0].Order)

			stranger := follow(t, page, "&since=ELSEWHERE-7")
			synctest.Wait()
			assert.Contains(t, stranger.newest()[0].HTML, "r0", "what another page has sent does not count")
		})
	})
}

func TestAViewOfOneStateFollowsWhoIsInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1", "seq2")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			v := follow(t, page, "&show=unhealthy")
			synctest.Wait()
			assert.Empty(t, v.newest()[0].Order)
			f.turn(1, report.StateUnhealthy, report.ReasonNotServing, "")
			time.Sleep(time.Second)
			came := v.newest()[0]
			assert.Equal(t, []string{"r1"}, came.Order)
			assert.Contains(t, came.HTML, "r1")
			f.turn(1, report.StateHealthy, report.ReasonServing, "")
			time.Sleep(time.Second)
			went := v.newest()[0]
			assert.NotNil(t, went.Order)
			assert.Empty(t, went.Order)
		})
	})
}

func TestAnEndpointThatLeavesTheListLeavesThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1", "seq2", "seq3")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			v := follow(t, page, "")
			synctest.Wait()
			v.newest()
			f.change(func(s *report.Status) { s.Endpoints = append(s.Endpoints[:1:1], s.Endpoints[2]) })
			time.Sleep(2 * time.Second)
			assert.Equal(t, []string{"r0", "r2"}, v.newest()[0].Order)
		})
	})
}

func TestAQuietConnectionBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			v := follow(t, page, "")
			time.Sleep(50 * time.Second)
			assert.Equal(t, 3, strings.Count(v.all(), ": beat\n\n"))
		})
	})
}

func TestThereIsRoomForSoManyViewersAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			var all []*follower
			for range 32 {
				all = append(all, follow(t, page, ""))
			}
			synctest.Wait()
			late := follow(t, page, "")
			<-late.done
			assert.Equal(t, http.StatusServiceUnavailable, late.code)
			assert.Equal(t, "10", late.header.Get("Retry-After"))
			all[7].cancel()
			<-all[7].done
			next := follow(t, page, "")
			synctest.Wait()
			assert.Len(t, next.newest(), 1)
		})
	})
}

func TestAViewerWhoDoesNotReadIsLetGoAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("seq1")
		inTime(t, f, func(t *testing.T, page *statuspage.Page) {
			slow, good := follow(t, page, ""), follow(t, page, "")
			synctest.Wait()
			good.newest()
			slow.mu.Lock()
			slow.stuck = true
			slow.mu.Unlock()
			stuck := time.Now()
			f.turn(0, report.StateUnhealthy, report.ReasonNotServing, "")
			time.Sleep(time.Second)
			assert.NotEmpty(t, good.newest())
			<-slow.done
			assert.InDelta(t, 10, time.Since(stuck).Seconds(), 1)
		})
	})
}

func TestLiveViewersEndWithTheClientAndWithClose(t *testing.T) {
	for name, end := range map[string]func(*fake, *statuspage.Page){
		"the client": func(f *fake, _ *statuspage.Page) { f.end() },
		"Close":      func(_ *fake, p *statuspage.Page) { p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("seq1")
				inTime(t, f, func(t *testing.T, page *statuspage.Page) {
					v := follow(t, page, "")
					synctest.Wait()
					end(f, page)
					<-v.done
					assert.True(t, strings.HasSuffix(v.all(), "event: end\ndata: \n\n"))
					again := follow(t, page, "") // receives the last state at once
					<-again.done
					assert.Contains(t, again.newest()[0].HTML, "r0")
				})
			})
		})
	}
}
