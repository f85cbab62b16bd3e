package jsonapi

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

// randomRequests is how many requests the test below makes. For a long run:
//
//	JSONAPI_REQUESTS=1000000 go test -run RandomFaults -timeout 2h -v ./jsonapi
func randomRequests(t *testing.T) int {
	t.Helper()
	text := os.Getenv("JSONAPI_REQUESTS")
	if text == "" {
		return testkit.Size(3000, 1500, 500)
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "JSONAPI_REQUESTS")
	return n
}

// service is what the servers of the test share: what was executed, and how often.
type service struct {
	mu       sync.Mutex
	executed map[string]int
	stolen   []string // tokens that came to the wrong server
}

// execute notes an execution.
func (s *service) execute(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.executed[id]++
}

// faulty serves with random faults. The token is the server's own.
func (s *service) faulty(p *peer, token string, calm *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+token && got != "Bearer caller" {
			s.mu.Lock()
			s.stolen = append(s.stolen, p.name+" got "+got)
			s.mu.Unlock()
		}
		id := r.Header.Get("X-Id")
		fault := rand.IntN(20)
		if calm.Load() {
			fault = 19
		}
		switch fault {
		case 0, 1: // dies before it does anything
			panic(http.ErrAbortHandler)
		case 2, 3: // dies when it has done it
			s.execute(id)
			panic(http.ErrAbortHandler)
		case 4: // does it, and cannot say so
			s.execute(id)
			w.WriteHeader([]int{502, 503, 504}[rand.IntN(3)])
			return
		case 5:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 6: // does it, and hangs
			s.execute(id)
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case 7: // is slow
			sleep.For(r.Context(), time.Duration(rand.IntN(20))*time.Millisecond)
		case 8: // breaks off in the body
			s.execute(id)
			w.Header().Set("Content-Length", "1000")
			_, _ = fmt.Fprint(w, id)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		s.execute(id)
		_, _ = fmt.Fprint(w, id)
	}
}

// TestNothingIsDoneTwiceUnderRandomFaults makes requests of all kinds at servers that die,
// hang and lie, and are restarted.
func TestNothingIsDoneTwiceUnderRandomFaults(t *testing.T) {
	for _, policy := range []Policy{RoundRobin, ActivePassive, LeastLoaded} {
		t.Run(string(policy), func(t *testing.T) { faultsUnder(t, policy, randomRequests(t)/3) })
	}
}

func faultsUnder(t *testing.T, policy Policy, requests int) {
	s := &service{executed: make(map[string]int)}
	var calm atomic.Bool
	cfg := Config{Policy: policy, MaxReplay: 4 << 10, RetryBudget: cantonlb.RetryBudget{Share: 1, PerSecond: 1000}}
	if policy != ActivePassive {
		cfg.HedgeAfter = 10 * time.Millisecond
	}
	peers := make([]*peer, 3)
	for i := range peers {
		name := string(rune('a' + i))
		p := newPeer(t, name)
		p.keepsNothing.Store(true)
		p.handle(s.faulty(p, "token-"+name, &calm))
		peers[i] = p
		cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: name, Address: p.URL, Token: cantonlb.NewSecret("token-" + name), AllowInsecureTokens: true})
	}
	c := startClient(t, cfg)
	require.NoError(t, c.WaitHealthy(t.Context(), 1))
	var next, answered atomic.Int64
	var wg sync.WaitGroup
	for range 48 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(requests) {
					return
				}
				if oneRequest(t, c, fmt.Sprintf("%s-%d", policy, n)) {
					answered.Add(1)
				}
				if rand.IntN(200) == 0 {
					peers[rand.IntN(len(peers))].CloseClientConnections()
				}
			}
		})
	}
	over := make(chan struct{})
	var flipping sync.WaitGroup
	flipping.Go(func() { flip(peers, over) })
	wg.Wait()
	close(over)
	flipping.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Empty(t, s.stolen)
	once := 0
	for id, n := range s.executed {
		if strings.HasSuffix(id, "-once") {
			once++
			assert.Equal(t, 1, n, id)
		}
	}
	t.Logf("%d requests, %d answered well, %d executed of those that may be executed once; %+v", requests, answered.Load(), once, c.Status().Totals)
	assert.NotZero(t, once)
	assert.Greater(t, answered.Load(), int64(requests)/20)
}

// flip makes one server at a time not ready, or hang, for a while.
func flip(peers []*peer, over <-chan struct{}) {
	ticker := time.NewTicker(60 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return
		case <-ticker.C:
		}
		for _, p := range peers {
			p.ready.Store(200)
			p.hangs.Store(false)
		}
		switch p := peers[rand.IntN(len(peers))]; rand.IntN(3) {
		case 0:
			p.ready.Store(503)
		case 1:
			p.hangs.Store(true)
		}
	}
}

// oneRequest makes a random request. It reports whether it was answered well, and checks
// that the answer is its own.
func oneRequest(t *testing.T, c *Client, id string) bool {
	method, path := "GET", "/v2/version"
	var body io.Reader
	switch rand.IntN(6) {
	case 0:
		method = "DELETE"
	case 1: // a read
		method, path, body = "POST", "/v2/updates", strings.NewReader(`{}`)
	case 2: // a command: the participant deduplicates it
		method, path = "POST", "/v2/commands/submit-and-wait"
		body = strings.NewReader(`{"commandId":"` + id + `","userId":"u","actAs":["a"]}`)
	case 3, 4: // may be executed once, with a body that may be replayed or not
		method, path, id = "POST", "/v2/parties", id+"-once"
		body = strings.NewReader(`{"x":"` + strings.Repeat("x", rand.IntN(8<<10)) + `"}`)
		if rand.IntN(2) == 0 {
			body = io.MultiReader(body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(50+rand.IntN(400))*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://ledger"+path, body)
	if !assert.NoError(t, err) {
		return false
	}
	req.Header.Set("X-Id", id)
	if rand.IntN(4) == 0 {
		req.Header.Set("Authorization", "Bearer caller")
	}
	resp, err := c.HTTP().Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	return assert.Equal(t, id, string(text))
}
