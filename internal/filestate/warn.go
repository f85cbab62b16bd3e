package filestate

import (
	"context"
	"log/slog"
	"time"
)

// lookEach is how often Warn looks.
const lookEach = 10 * time.Second

// Warn looks at the notes about files every ten seconds, until ctx ends. It calls warn
// with the text and the attribute of a log line each time that a note begins.
func Warn(ctx context.Context, notes func() []string, warn func(message string, a slog.Attr)) {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	known := make(map[string]bool)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := make(map[string]bool)
		for _, note := range notes() {
			now[note] = true
			if !known[note] {
				warn("the last content of a file stays in effect", slog.String("detail", note))
			}
		}
		known = now
	}
}
