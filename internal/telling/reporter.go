package telling

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/report"
)

// reporter writes a set's events to the log. It has a goroutine of its own, so that a
// log that is slow or fails does not delay anything else.
type reporter struct {
	sink    sink
	reader  *event.Reader[report.Event]
	limits  map[lineKey]logLimit
	kept    map[lineKey]report.Event // the changes that wait for their lines
	sweepAt int                      // number of limits at which idle ones are removed
	done    chan struct{}            // closed when the goroutine has ended
}

// startReporter starts writing what the reader returns to the log.
func startReporter(reader *event.Reader[report.Event], own *slog.Logger, policy, target string) *reporter {
	r := &reporter{
		sink: newSlogSink(own, policy, target), reader: reader, done: make(chan struct{}),
		limits: make(map[lineKey]logLimit), kept: make(map[lineKey]report.Event), sweepAt: Kept,
	}
	go func() {
		defer close(r.done)
		r.run()
	}()
	return r
}

// theHandler names a log handler in grpc's log.
const theHandler = "the log handler: a line is not in the log: it"

// wait waits for the reporter to end after the log of events has been closed, at most
// until ctx ends, and reports whether it has ended.
func (r *reporter) wait(ctx context.Context) bool {
	return r == nil || sleep.Until(ctx, r.done)
}

// run writes until the log of events is closed. It then writes the lines that wait.
func (r *reporter) run() {
	for {
		events, missed, err := r.next()
		if missed > 0 {
			guard.Call(theHandler, func() { r.sink.missed(missed) })
		}
		for _, e := range events {
			r.offer(e)
		}
		closed := errors.Is(err, event.ErrClosed)
		r.writeKept(closed)
		if closed {
			return
		}
		r.sweep()
	}
}

// next waits for events, or until an event that waits may have its line.
func (r *reporter) next() ([]report.Event, uint64, error) {
	var first time.Time
	for key := range r.kept {
		if due := r.limits[key].lines.free(); first.IsZero() || due.Before(first) {
			first = due
		}
	}
	ctx := context.Background() // it ends with Close
	if !first.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, first)
		defer cancel()
	}
	return r.reader.Next(ctx)
}

// lineKey identifies what shares a limit of lines.
type lineKey struct {
	kind     report.EventKind
	endpoint string
}

// offer writes the line of an event, unless the limit is reached.
func (r *reporter) offer(e report.Event) {
	if !r.enabled(Level(e)) {
		return
	}
	key := lineKey{e.Kind, e.Endpoint}
	limit, effects := r.limits[key].offer(time.Now(), passing(e))
	r.limits[key] = limit
	switch {
	case effects.write:
		delete(r.kept, key)
		r.write(e, effects.omitted)
	case effects.keep:
		r.kept[key] = e
	}
}

// writeKept writes the events whose lines are due, or all that wait.
func (r *reporter) writeKept(all bool) {
	now := time.Now()
	for key, e := range r.kept {
		limit, effects := r.limits[key].due(now)
		if all && !effects.write {
			effects = logEffects{write: true, omitted: limit.omitted - 1}
		}
		if effects.write {
			r.limits[key] = limit
			delete(r.kept, key)
			r.write(e, effects.omitted)
		}
	}
}

// sweep removes limits that are idle.
func (r *reporter) sweep() {
	if len(r.limits) < r.sweepAt {
		return
	}
	now := time.Now()
	for key, limit := range r.limits {
		if limit.idle(now) {
			delete(r.limits, key)
		}
	}
	r.sweepAt = max(Kept, 2*len(r.limits))
}

// enabled asks the sink, which may call code of the program.
func (r *reporter) enabled(level slog.Level) (enabled bool) {
	guard.Call(theHandler, func() { enabled = r.sink.enabled(level) })
	return enabled
}

func (r *reporter) write(e report.Event, omitted int) {
	guard.Call(theHandler, func() { r.sink.event(e, omitted) })
}
