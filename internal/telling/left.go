package telling

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/internal/guard"
)

// leftBehind is the text of the line about what Close has left.
const leftBehind = "closed, although code of the program has not returned"

// hungHandler names a log handler among what has not returned.
const hungHandler = "the log handler"

// Left logs, as a warning, what has not returned although its owner is closed. Without
// any it does nothing. The line is in grpc's log if the program's log handler is among
// them, or does not return.
func (t *Teller) Left(left []string) {
	t.mu.Lock()
	own := t.own
	t.mu.Unlock()
	LogLeft(own, t.policy, t.m.target, left)
}

// LogLeft is Left of a Teller with this logger, policy and target.
func LogLeft(own *slog.Logger, policy, target string, left []string) {
	slices.Sort(left)
	left = slices.DeleteFunc(slices.Compact(left), func(text string) bool { return text == "" })
	if len(left) == 0 {
		return
	}
	what := strings.Join(left, ", ")
	if s := newSlogSink(own, policy, target); !slices.Contains(left, hungHandler) {
		var late guard.Left
		if guard.Tell(&late, theHandler, func() {
			if s.enabled(slog.LevelWarn) {
				s.left(what)
			}
		}) {
			return
		}
	}
	logger.Warningf("%s: %s: %s", policy, leftBehind, what)
}
