package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"
)

// maxShownErrors is how many errors of failed calls are kept for the report.
const maxShownErrors = 5

// phase is the time from one step of the script to the next, with the results of
// the calls that ended in it.
type phase struct {
	title    string
	answered map[string]int // by the name in the answer
	failed   int
}

// tally counts the client's results. It is safe for concurrent use.
type tally struct {
	began time.Time

	mu     sync.Mutex // guards the fields below
	phases []phase
	ok     int
	bad    int
	errors []failure // the first ones
}

// failure says when a call failed, counted from the beginning, and why.
type failure struct {
	at  time.Duration
	err error
}

func newTally(began time.Time, title string) *tally {
	t := &tally{began: began}
	t.enter(title)
	return t
}

// enter begins a phase.
func (t *tally) enter(title string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phases = append(t.phases, phase{title: title, answered: make(map[string]int)})
}

func (t *tally) answered(server string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ok++
	t.phases[len(t.phases)-1].answered[server]++
}

func (t *tally) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bad++
	t.phases[len(t.phases)-1].failed++
	if len(t.errors) < maxShownErrors {
		t.errors = append(t.errors, failure{at: time.Since(t.began), err: err})
	}
}

// totals returns the numbers of calls that were answered and that failed so far.
func (t *tally) totals() (ok, failed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ok, t.bad
}

// by returns the number of calls that a server has answered so far.
func (t *tally) by(server string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, p := range t.phases {
		n += p.answered[server]
	}
	return n
}

// attempts is a stats.Handler that counts grpc's attempts: each call has a first
// attempt, and further ones if that receives no answer. Probes are not calls and
// are not counted here.
type attempts struct {
	begun       atomic.Int64
	transparent atomic.Int64 // retries of attempts that no server had begun to process
}

var _ stats.Handler = (*attempts)(nil)

// HandleRPC implements stats.Handler.
func (a *attempts) HandleRPC(_ context.Context, event stats.RPCStats) {
	if begin, ok := event.(*stats.Begin); ok {
		a.begun.Add(1)
		if begin.IsTransparentRetryAttempt {
			a.transparent.Add(1)
		}
	}
}

// TagRPC implements stats.Handler.
func (*attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (*attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (*attempts) HandleConn(context.Context, stats.ConnStats) {}
