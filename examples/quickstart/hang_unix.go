//go:build unix

package main

import (
	"context"
	"syscall"
	"time"
)

// hanging is the steps of a server that stops answering but keeps its connections,
// like one that is out of memory, swaps or waits for a lock.
var hanging = []step{
	{"seq2 hangs", "seq2", hang, isOut},
	{"seq2 continues", "seq2", goOn, isIn},
}

func hang(_ context.Context, s *server) (time.Time, error) {
	return time.Now(), s.process.Signal(syscall.SIGSTOP)
}

func goOn(_ context.Context, s *server) (time.Time, error) {
	return time.Now(), s.process.Signal(syscall.SIGCONT)
}
