// Package guard calls code of the program and recovers its panics.
//
// # Why
//
// Log handlers, recorders, observers and validators are code of the program. A panic
// in one of them must not disturb the library's calls, counts or goroutines. So each
// is called through [Call]: a panic adds one line to grpc's log, which names what has
// panicked and includes the stack. Code that may ignore its context is called through
// [Await], which returns when the time is up, and counts what has not returned.
package guard

import (
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc/grpclog"
)

var logger = grpclog.Component("cantonlb")

// Call calls f, and recovers if f panics. what names f in the log, as in "the
// observer of attempts". ok is false if f has panicked. Call does not return if f ends
// its goroutine (runtime.Goexit), as a failed assertion of a test does.
func Call(what string, f func()) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			logger.Errorf("%s has panicked with a %T: %s", what, p, stack())
		}
	}()
	f()
	return true
}

// maxStack bounds the stack in a log line, in bytes.
const maxStack = 4096

func stack() string {
	s := debug.Stack()
	if len(s) > maxStack {
		return fmt.Sprintf("%s...", s[:maxStack])
	}
	return string(s)
}
