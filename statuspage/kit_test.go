package statuspage_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/report"
)

// fake is a client that a test makes up.
type fake struct {
	mu     sync.Mutex
	status report.Status
	events []report.Event
	news   chan struct{} // closed and replaced when there are more
	ended  bool
	looks  int
}

func newFake(names ...string) *fake {
	f := &fake{news: make(chan struct{})}
	f.status.Policy, f.status.State = "healthy_round_robin", connectivity.Ready
	for i, name := range names {
		f.status.Endpoints = append(f.status.Endpoints, report.EndpointStatus{
			Name: name, Address: fmt.Sprintf("10.0.%d.%d:5001", i/250, i%250+1),
			Eligible: true, State: report.StateHealthy, Reason: report.ReasonServing, Since: time.Now(),
			Health: report.Healthy, Connection: connectivity.Ready,
			Probe: report.ProbeStatus{
				On: true, Target: `gRPC service "" on the calls' own connection`, Kind: report.KindGRPCCheck,
				Outcome: report.Serving, Reason: report.ReasonServing, At: time.Now(), Answered: time.Now(),
				RoundTrip: time.Millisecond, Watch: report.WatchAlive, Timeout: 300 * time.Millisecond,
			},
		})
	}
	return f
}

func (f *fake) Status() report.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	s := f.status
	s.Endpoints = slices.Clone(s.Endpoints)
	return s
}

func (f *fake) SubscribeFrom(ctx context.Context, number uint64) iter.Seq[report.EventBatch] {
	read := int(number) - 1
	return func(yield func(report.EventBatch) bool) {
		for more := yield(report.EventBatch{}); more; {
			f.mu.Lock()
			events, changed, ended := slices.Clone(f.events[read:]), f.news, f.ended
			read = len(f.events)
			f.mu.Unlock()
			switch {
			case len(events) > 0:
				more = yield(report.EventBatch{Events: events})
				continue
			case ended:
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
	}
}

// change changes the status.
func (f *fake) change(how func(*report.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how(&f.status)
}

// turn puts an endpoint into a state, and makes the event of it.
func (f *fake) turn(i int, to report.EndpointState, reason report.Reason, detail string) {
	f.change(func(s *report.Status) {
		e := &s.Endpoints[i]
		f.emitLocked(report.Event{
			Kind: report.EventEndpoint, Endpoint: e.Name, From: e.State, To: to, Reason: reason, Detail: detail, Held: time.Since(e.Since),
		})
		e.State, e.Reason, e.Detail, e.Since = to, reason, detail, time.Now()
		e.Eligible = to == report.StateHealthy || to == report.StateSuspect
		e.Drained, e.Ejected = to == report.StateDrained, to == report.StateEjected
		e.Connection, e.Passive = connectivity.Ready, false
		switch to {
		case report.StateUnhealthy:
			e.Passive = s.Failover != nil && s.Failover.Active != e.Name && reason == report.ReasonNotServing
			f.events[len(f.events)-1].Passive = e.Passive
			e.Health = report.Unhealthy
		case report.StateConnecting, report.StateUnreachable:
			e.Connection, e.Health = connectivity.TransientFailure, report.HealthUnknown
		default:
			e.Health = report.Healthy
		}
	})
}

func (f *fake) emitLocked(e report.Event) {
	e.Number, e.At = uint64(len(f.events)+1), time.Now()
	f.events = append(f.events, e)
	close(f.news)
	f.news = make(chan struct{})
}

// probe makes a probe of an endpoint succeed just now, in a time.
func (f *fake) probe(i int, took time.Duration) {
	f.change(func(s *report.Status) {
		p := &s.Endpoints[i].Probe
		p.At, p.Answered, p.RoundTrip = time.Now(), time.Now(), took
	})
}

// call counts calls of an endpoint.
func (f *fake) call(i, n int) {
	f.change(func(s *report.Status) { s.Endpoints[i].Calls.Picked += uint64(n) })
}

// end does what the client's Close does.
func (f *fake) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	close(f.news)
	f.news = make(chan struct{})
}

func (f *fake) looked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.looks
}

// names returns n names.
func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("e%d", i)
	}
	return list
}

// replicas makes a fake of endpoints of which one at a time is active.
func replicas(active int, names ...string) *fake {
	f := newFake(names...)
	f.status.Policy = "active_passive"
	f.status.Failover = &report.FailoverStatus{}
	f.switchTo(active, report.ReasonFirstChoice)
	return f
}

// switchTo makes an endpoint the active one, and adds the event.
func (f *fake) switchTo(i int, why report.Reason) {
	f.change(func(s *report.Status) {
		fo := *s.Failover
		from := fo.Active
		fo.Active, fo.Since, fo.Switches = s.Endpoints[i].Name, time.Now(), fo.Switches+1
		fo.Last = fo.Active
		s.Failover = &fo
		for k := range s.Endpoints {
			s.Endpoints[k].Active = k == i
		}
		f.emitLocked(report.Event{
			Kind: report.EventSwitch, Endpoint: fo.Active, Reason: why,
			Switch: report.Switch{Number: fo.Switches, From: from, To: fo.Active},
		})
	})
}

// has asserts that a page has texts. It does not show the whole page if it has not.
func has(t *testing.T, body string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
}
