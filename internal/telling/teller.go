package telling

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/queue"
	"github.com/cantonlb/cantonlb/report"
)

var logger = grpclog.Component("cantonlb")

const (
	// Kept is how many events a Teller keeps.
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

	// mu guards what follows. Only the lock of events is taken under it.
	mu       sync.Mutex
	own      *slog.Logger // the program's logger; nil: grpc's own log
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
	t := &Teller{
		policy: policy, events: event.NewLog[report.Event](Kept),
		m: metrics{recorder: recorder, target: target}, calls: queue.Queue{Most: mostRecords},
	}
	t.record(t.m.begin)
	return t
}

// LogTo sets the logger of the events; nil is grpc's own log. It has no effect after
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

// ClosePatience bounds how long Close waits for the last lines and the last records to
// be written. Only a handler or recorder of the program can block for longer; the
// goroutine that calls it ends when it returns.
const ClosePatience = time.Second

// Close ends the events, and waits at most ClosePatience for the lines and again for
// the records. It may be called more than once.
func (t *Teller) Close() {
	t.mu.Lock()
	t.closed = true
	r := t.reporter
	t.mu.Unlock()
	t.events.Close()
	r.wait()
	if t.calls.Close(ClosePatience) && t.calls.Missed() > 0 {
		logger.Warningf("%s: %d records are not in the metrics: the recorder is too slow", t.policy, t.calls.Missed())
	}
}
