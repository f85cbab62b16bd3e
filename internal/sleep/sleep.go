// Package sleep waits for a time or an event, or until a context ends.
//
// # Why
//
// Every loop that pauses between attempts must end when its owner stops it.
// time.Sleep does not, and a select over a timer is easily written without stopping
// the timer. The probes, the streams of package ledger, the watches of package lease
// and the lists of package quorum pause in this one way.
package sleep

import (
	"context"
	"time"
)

// For waits for d and reports whether ctx is still valid. It does not wait if d is
// zero or below.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Context waits as For does. The error is that of ctx if it has ended.
func Context(ctx context.Context, d time.Duration) error {
	if !For(ctx, d) {
		return ctx.Err()
	}
	return nil
}

// Until waits until done is closed, at most until ctx ends, and reports whether it is
// closed, whatever has come first.
func Until(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
