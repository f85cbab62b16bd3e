package endpointset

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/report"
)

// reporter writes a set's events to the log. It has a goroutine of its own, so
// that a log that is slow to write, or that fails, holds up nothing.
type reporter struct {
	sink    sink
	reader  *event.Reader[report.Event]
	limits  map[lineKey]logLimit
	kept    map[lineKey]report.Event // those that wait for their lines
	sweepAt int                      // at so many limits the idle ones are let go
	done    chan struct{}            // closed when the goroutine has ended
}

// startReporterLocked begins to write what follows to the log.
func (s *Set) startReporterLocked() {
	r := &reporter{
		sink: grpcSink{policy: s.policy}, reader: s.events.Reader(), done: make(chan struct{}),
		limits: make(map[lineKey]logLimit), kept: make(map[lineKey]report.Event), sweepAt: keptEvents,
	}
	s.reporter = r
	own := s.options.Logger
	target := s.build.Target.String()
	go func() {
		defer close(r.done)
		if own != nil {
			r.guard(func() { r.sink = newSlogSink(own, s.policy, target) })
		}
		r.run()
	}()
}

// closeLogPatience is how long Close waits for the last lines to be written. A
// handler that blocks for longer is the program's own; its goroutine ends with it.
const closeLogPatience = time.Second

// wait waits for the reporter to end after the log of events has been closed.
func (r *reporter) wait() {
	if r == nil {
		return
	}
	timer := time.NewTimer(closeLogPatience)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}

// run writes until the log of events is closed. What waits then is written.
func (r *reporter) run() {
	for {
		events, missed, err := r.next()
		if missed > 0 {
			r.guard(func() { r.sink.missed(missed) })
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

// next waits for events, or until one that is kept may have its line.
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

// lineKey is what lines are limited by.
type lineKey struct {
	kind     report.EventKind
	endpoint string
}

// offer writes the line of an event, unless there have been too many.
func (r *reporter) offer(e report.Event) {
	if !r.enabled(level(e)) {
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

// writeKept writes what has waited for long enough, or all of it.
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

// sweep lets go of limits that limit nothing.
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
	r.sweepAt = max(keptEvents, 2*len(r.limits))
}

// enabled asks the sink, which may be the program's own.
func (r *reporter) enabled(level slog.Level) (enabled bool) {
	r.guard(func() { enabled = r.sink.enabled(level) })
	return enabled
}

func (r *reporter) write(e report.Event, omitted int) { r.guard(func() { r.sink.event(e, omitted) }) }

// guard does something that may run code of the program's own. If that panics, it
// costs no more than a line of the log.
func (*reporter) guard(do func()) {
	defer func() {
		if p := recover(); p != nil {
			logger.Errorf("a line is not in the log: its handler has panicked with a %T", p)
		}
	}()
	do()
}
