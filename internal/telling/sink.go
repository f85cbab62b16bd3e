package telling

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// sink is the destination of the lines about events.
type sink interface {
	// enabled reports whether lines of a level are written.
	enabled(level slog.Level) bool
	// event writes the line of an event, before which omitted events were left out.
	event(e report.Event, omitted int)
	// missed reports that n events came too fast to be written.
	missed(n uint64)
	// warn writes a warning that is no event.
	warn(message string, a slog.Attr)
}

// slogSink writes to the program's own logger.
type slogSink struct {
	own   *slog.Logger // nil: slog.Default at the time of each line
	attrs []slog.Attr  // of each line
}

func newSlogSink(own *slog.Logger, policy, target string) slogSink {
	return slogSink{own, []slog.Attr{slog.String("policy", policy), slog.String("target", cleantext.Detail(target))}}
}

func (s slogSink) handler() slog.Handler { return cmp.Or(s.own, slog.Default()).Handler() }

func (s slogSink) enabled(level slog.Level) bool {
	return s.handler().Enabled(context.Background(), level)
}

func (s slogSink) event(e report.Event, omitted int) {
	attrs := attrs(e)
	if omitted > 0 {
		attrs = append(attrs, slog.Int("omitted", omitted))
	}
	s.write(Level(e), e.At, message(e), attrs)
}

func (s slogSink) missed(n uint64) {
	s.write(slog.LevelWarn, time.Now(), "events are not in the log: it is too slow", []slog.Attr{slog.Uint64("omitted", n)})
}

func (s slogSink) warn(message string, a slog.Attr) {
	if s.enabled(slog.LevelWarn) {
		s.write(slog.LevelWarn, time.Now(), message, []slog.Attr{a})
	}
}

func (s slogSink) write(level slog.Level, at time.Time, message string, attrs []slog.Attr) {
	record := slog.NewRecord(at, level, message, 0)
	record.AddAttrs(attrs...)
	if err := s.handler().WithAttrs(s.attrs).Handle(context.Background(), record); err != nil {
		logger.Errorf("a line is not in the log: %v", cleantext.Detail(err.Error()))
	}
}
