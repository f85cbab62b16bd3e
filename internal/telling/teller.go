package telling

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/queue"
	"github.com/cantonlb/cantonlb/report"
)

var logger = grpclog.Component("cantonlb")

const (
	// Kept is how many events a Teller keeps; at most a quarter of a full log are
	// suspicions.
	Kept = 1024
	// mostRecords bounds the records that wait for the recorder.
	mostRecords = 1 << 16
)

// Teller reports what happens in one set. Create it with New and close it with Close.
// It is safe for concurrent use. Its methods do not wait, except Close, and may be
// called with locks held.
type Teller struct {
	policy string
	m      metrics
	events *event.Log[report.Event]
	calls  queue.Queue // calls of the recorder and of grpc's log
	late   guard.Left  // calls of the log handler by Warn that have not returned in time

	// mu guards what follows. Only the lock of events is taken under it.
	mu       sync.Mutex
	own      *slog.Logger // the program's logger; nil: slog.Default
	number   uint64       // of the newest event
	reporter *reporter    // writes the events to the log; nil before the first
	closed   bool
}

// NoRecorder is a recorder that records nothing, for a set that belongs to no channel.
func NoRecorder() stats.MetricsRecorder { return noRecorder{} }

type noRecorder struct {
	stats.UnimplementedMetricsRecorder
}

// New returns the Teller of a set with this policy and target. Counters whose labels
// are known start at zero in the recorder.
func New(policy, target string, recorder stats.MetricsRecorder) *Teller {
	target = cleantext.Scrub(target)
	t := &Teller{
		policy: policy, events: event.NewMixedLog(Kept, report.Event.IsSuspicion),
		m: metrics{recorder: recorder, target: target}, calls: queue.Queue{Most: mostRecords},
	}
	t.record(t.m.begin)
	return t
}

// LogTo sets the logger of the events; nil is slog.Default. It has no effect after
// the first event.
func (t *Teller) LogTo(l *slog.Logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = l
}

// Event numbers an event and reports it. After Close it does nothing.
func (t *Teller) Event(e report.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if t.reporter == nil {
		t.reporter = startReporter(t.events.Reader(), t.own, t.policy, t.m.target)
	}
	t.number++
	e.Number = t.number
	t.record(func() { t.m.event(e) })
	t.events.Append(e)
}

// Events returns the newest events, oldest first.
func (t *Teller) Events() []report.Event { return t.events.Events() }

// Follow returns a reader of the events to come.
func (t *Teller) Follow() *event.Reader[report.Event] { return t.events.Reader() }

// FollowFrom returns a reader of the events that are kept and those to come, from this
// number on.
func (t *Teller) FollowFrom(number uint64) *event.Reader[report.Event] {
	return t.events.ReaderFrom(max(number, 1) - 1)
}

// Ejection reports that an endpoint was ejected.
func (t *Teller) Ejection(endpoint string) { t.record(func() { t.m.ejection(endpoint) }) }

// Verdict reports the verdict of a probe, and how long the probe took; 0 if that is
// not known.
func (t *Teller) Verdict(endpoint string, k report.ProbeKind, o report.Outcome, took time.Duration) {
	t.record(func() { t.m.verdict(endpoint, k, o, took) })
}

// Progress reports what was counted since the last time.
func (t *Teller) Progress(p Progress) { t.record(func() { t.m.progress(p) }) }

// Reloads reports how many contents of the config file were applied, and how many were
// refused.
func (t *Teller) Reloads(accepted, refused int64) {
	t.record(func() { t.m.reloads(accepted, refused) })
}

// record queues a call of the recorder. Close reports in the log how many calls were
// dropped.
func (t *Teller) record(f func()) {
	t.calls.Do(func() { guard.Call("the recorder of metrics", f) })
}

// Logf writes a line for debugging to grpc's log.
func (t *Teller) Logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	t.calls.Do(func() { logger.Infof("%s: %s", t.policy, line) })
}

// Register registers r, which the recorder asks for the gauges. The function that it
// returns ends that.
func (t *Teller) Register(r stats.AsyncMetricReporter) func() {
	return t.m.recorder.RegisterAsyncReporter(r, asyncMetrics...)
}

// Gauges records what was counted, and then the present gauges to r. It calls both
// recorders, so no lock may be held.
func (t *Teller) Gauges(r stats.AsyncMetricsRecorder, p Progress, s report.Status, now time.Time) {
	t.m.progress(p)
	recordStatus(r, s, t.m.target, now)
}

// Close ends the events, and waits until the last lines and records are written, at
// most until ctx ends. Only a handler or recorder of the program can block for longer;
// the goroutine that calls it ends when it returns. Close returns their names. It may
// be called more than once.
func (t *Teller) Close(ctx context.Context) (left []string) {
	t.mu.Lock()
	t.closed = true
	r := t.reporter
	t.mu.Unlock()
	t.events.Close()
	if !r.wait(ctx) {
		left = append(left, hungHandler)
	}
	patience := time.Duration(1) // 0 is no bound
	if deadline, ok := ctx.Deadline(); ok {
		patience = max(patience, time.Until(deadline))
	}
	if !t.calls.Close(patience) {
		return append(left, "the recorder of metrics")
	}
	if t.calls.Missed() > 0 {
		slog.Warn("records are not in the metrics: the recorder is too slow", "policy", t.policy, "omitted", t.calls.Missed())
	}
	return left
}
