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
	// Kept is how many events a Teller remembers.
	Kept = 1024
	// mostRecords bounds what waits for the recorder.
	mostRecords = 1 << 16
)

// Teller tells of one set. Make it with New, and Close it in the end. It is safe for
// concurrent use; its methods do not wait, but for Close, and may be called with locks
// held.
type Teller struct {
	policy string
	m      metrics
	events *event.Log[report.Event]
	calls  queue.Queue // of the recorder, and of grpc's log

	// mu guards what follows. Under it only the lock of events is taken.
	mu       sync.Mutex
	own      *slog.Logger // the program's; nil: grpc's own log
	number   uint64       // of the newest event
	reporter *reporter    // writes the events to the log; nil before the first
	closed   bool
}

// New makes the Teller of a set with this policy and target. The counters of the
// recorder begin at zero where their labels are known.
func New(policy, target string, recorder stats.MetricsRecorder) *Teller {
	t := &Teller{
		policy: policy, events: event.NewLog[report.Event](Kept),
		m: metrics{recorder: recorder, target: target}, calls: queue.Queue{Most: mostRecords},
	}
	t.record(t.m.begin)
	return t
}

// LogTo has the events from the first one on written to this logger; nil is grpc's own
// log. What comes after the first event changes nothing.
func (t *Teller) LogTo(l *slog.Logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = l
}

// Event numbers an event, and tells of it. After Close it does nothing.
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

// Follow makes a reader of the events to come.
func (t *Teller) Follow() *event.Reader[report.Event] { return t.events.Reader() }

// Ejection tells that an endpoint was ejected.
func (t *Teller) Ejection(endpoint string) { t.record(func() { t.m.ejection(endpoint) }) }

// Verdict tells what a probe has said, and how long that took, 0 if it is not known.
func (t *Teller) Verdict(endpoint string, k report.ProbeKind, o report.Outcome, took time.Duration) {
	t.record(func() { t.m.verdict(endpoint, k, o, took) })
}

// Progress tells what has been counted since the last time.
func (t *Teller) Progress(p Progress) { t.record(func() { t.m.progress(p) }) }

// Reloads tells how many contents of the config file were put in effect, and how many
// were refused.
func (t *Teller) Reloads(accepted, refused int64) {
	t.record(func() { t.m.reloads(accepted, refused) })
}

// record has the recorder called. What it misses is said in the log.
func (t *Teller) record(f func()) {
	t.calls.Do(func() { guard.Call("the recorder of metrics", f) })
}

// Logf writes a line for people who debug to grpc's log.
func (t *Teller) Logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	t.calls.Do(func() { logger.Infof("%s: %s", t.policy, line) })
}

// Register has the recorder ask r for what is now. The function ends that.
func (t *Teller) Register(r stats.AsyncMetricReporter) func() {
	return t.m.recorder.RegisterAsyncReporter(r, asyncMetrics...)
}

// Gauges tells r what is now, after it has told the recorder what has been counted. It
// calls both, so that no lock may be held.
func (t *Teller) Gauges(r stats.AsyncMetricsRecorder, p Progress, s report.Status, now time.Time) {
	t.m.progress(p)
	recordStatus(r, s, t.m.target, now)
}

// ClosePatience is how long Close waits for the last lines to be written, and for the
// last records. A handler or recorder that blocks for longer is the program's own; its
// goroutine ends with it.
const ClosePatience = time.Second

// Close ends the events, and waits for what has been told, but not for ever. It may be
// called more than once.
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
