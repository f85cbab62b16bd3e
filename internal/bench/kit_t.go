package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// kitT is the testing.TB that lbtest needs. It is safe for concurrent use.
type kitT struct {
	testing.TB // nil; what the kit calls is defined below

	mu       sync.Mutex
	failed   []string
	cleanups []func()
}

// maxFailures bounds the failures that are kept.
const maxFailures = 20

// Helper implements testing.TB.
func (*kitT) Helper() {}

// Cleanup implements testing.TB.
func (t *kitT) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Errorf implements testing.TB.
func (t *kitT) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.failed) < maxFailures {
		t.failed = append(t.failed, fmt.Sprintf(format, args...))
	}
}

// Fatalf implements testing.TB.
func (t *kitT) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// failures returns the failures that the kit has reported.
func (t *kitT) failures() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failed)
}

// end runs the cleanups, as at the end of a test.
func (t *kitT) end() {
	t.mu.Lock()
	cleanups := t.cleanups
	t.cleanups = nil
	t.mu.Unlock()
	for _, f := range slices.Backward(cleanups) {
		f()
	}
}
