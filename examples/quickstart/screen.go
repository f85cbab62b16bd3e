package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// How often the counts are shown: in place on a terminal, otherwise as new lines.
const (
	liveInterval  = 100 * time.Millisecond
	plainInterval = time.Second
)

// screen is standard output: lines that stay and, on a terminal, one line below
// them that is rewritten. It is safe for concurrent use.
type screen struct {
	terminal bool

	mu   sync.Mutex // guards writing
	live string     // what the live line shows; empty off a terminal
}

func newScreen() *screen {
	info, err := os.Stdout.Stat()
	return &screen{terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// clearLine is the control sequence that moves to the beginning of the line and
// clears it.
const clearLine = "\r\x1b[K"

// linef prints a line that stays.
func (s *screen) linef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...) + "\n"
	if s.live != "" {
		text = clearLine + text + s.live
	}
	fmt.Print(text)
}

// show keeps the live line up to date until ctx ends, and then removes it.
func (s *screen) show(ctx context.Context, text func() string) {
	interval := plainInterval
	if s.terminal {
		interval = liveInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.setLive("")
			return
		case <-ticker.C:
			if s.terminal {
				s.setLive(text())
			} else {
				s.linef("%s", text())
			}
		}
	}
}

func (s *screen) setLive(text string) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = text
	fmt.Print(clearLine + text)
}
