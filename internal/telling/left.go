package telling

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/internal/guard"
)

// hungHandler names a log handler among what has not returned.
const hungHandler = "the log handler"

// Warn writes a warning that is no event. It waits for the log handler, but not for
// long, and reports whether the handler has returned.
func (t *Teller) Warn(message string, a slog.Attr) bool {
	t.mu.Lock()
	var s sink = newSlogSink(t.own, t.policy, t.m.target)
	t.mu.Unlock()
	return guard.Tell(&t.late, theHandler, func() { s.warn(message, a) })
}

// Left logs, as a warning, what has not returned although its owner is closed; empty
// texts are left out. The line is in grpc's log if the program's log handler is among
// them, or does not return.
func (t *Teller) Left(left []string) {
	slices.Sort(left)
	left = slices.DeleteFunc(slices.Compact(left), func(text string) bool { return text == "" })
	if len(left) == 0 {
		return
	}
	const message = "closed, although code of the program has not returned"
	what := strings.Join(left, ", ")
	if slices.Contains(left, hungHandler) || !t.Warn(message, slog.String("left", what)) {
		logger.Warningf("%s: %s: %s", t.policy, message, what)
	}
}
