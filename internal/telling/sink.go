package telling

import (
	"context"
	"fmt"
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
}

// grpcSink writes to grpc's own logger, as grpc's policies do.
type grpcSink struct{ policy string }

// lineSize exceeds the length of most lines.
const lineSize = 256

// verbosity is the verbosity of lines for debugging.
const verbosity = 2

func (grpcSink) enabled(level slog.Level) bool { return level >= slog.LevelInfo || logger.V(verbosity) }

func (s grpcSink) event(e report.Event, omitted int) {
	line := append(make([]byte, 0, lineSize), s.policy...)
	line, _ = e.AppendText(append(line, ": "...))
	if omitted > 0 {
		line = fmt.Appendf(line, " (%d changes before it are left out)", omitted)
	}
	if bad(e) {
		logger.Warning(string(line))
	} else {
		logger.Info(string(line))
	}
}

func (s grpcSink) missed(n uint64) {
	logger.Warningf("%s: %d events are not in the log: it is too slow", s.policy, n)
}

// slogSink writes to the program's own logger.
type slogSink struct{ handler slog.Handler }

func newSlogSink(l *slog.Logger, policy, target string) slogSink {
	return slogSink{l.Handler().WithAttrs([]slog.Attr{
		slog.String("policy", policy), slog.String("target", cleantext.Detail(target)),
	})}
}

func (s slogSink) enabled(level slog.Level) bool {
	return s.handler.Enabled(context.Background(), level)
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

func (s slogSink) write(level slog.Level, at time.Time, message string, attrs []slog.Attr) {
	record := slog.NewRecord(at, level, message, 0)
	record.AddAttrs(attrs...)
	if err := s.handler.Handle(context.Background(), record); err != nil {
		logger.Warningf("a line is not in the log: %v", cleantext.Detail(err.Error()))
	}
}
