// Package queue runs functions in order, one at a time, on a goroutine of its own.
//
// # Why
//
// What is decided under a lock often has to be done without it: calls into grpc,
// which calls back, and calls of the program's own code. If each goroutine made such
// calls after it released the lock, they would overtake each other. So they are added
// to a [Queue] while the lock is held, which keeps their order.
//
// # Defaults
//
// There is a goroutine only while there is a function to run.
package queue

import (
	"runtime"
	"sync"
	"time"
)

// Queue is a queue of functions. Its zero value is empty and unbounded. It is safe
// for concurrent use. Its lock is a leaf: no other lock is taken under it.
type Queue struct {
	// Most bounds how many functions wait; 0 is no bound. It is set before the first
	// use.
	Most int

	mu      sync.Mutex
	waiting []func()
	running bool
	closed  bool
	missed  uint64
	idle    chan struct{} // closed when the goroutine ends; nil if there is none, or nothing waits for that
}

// yieldEvery is the number of functions after which the goroutine yields. When
// thousands of connections are being opened, each that waits for its turn holds a
// buffer of 32 KiB.
const yieldEvery = 16

// Do queues f to run after all functions queued before. It does not wait. It returns
// false if the queue is full or closed; f then never runs.
func (q *Queue) Do(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.Most > 0 && len(q.waiting) >= q.Most {
		q.missed++
		return false
	}
	q.waiting = append(q.waiting, f)
	if !q.running {
		q.running = true
		go q.run()
	}
	return true
}

func (q *Queue) run() {
	for {
		batch := q.take()
		if batch == nil {
			return
		}
		for i, f := range batch {
			f()
			if i%yieldEvery == yieldEvery-1 {
				runtime.Gosched()
			}
		}
	}
}

// take takes all functions that wait. It returns nil if there are none; the goroutine
// then ends.
func (q *Queue) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.waiting
	q.waiting = nil
	if batch == nil {
		q.running = false
		if q.idle != nil {
			close(q.idle)
			q.idle = nil
		}
	}
	return batch
}

// Missed returns how many functions Do has refused.
func (q *Queue) Missed() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.missed
}

// Wait waits until all functions queued before have run. It must not be called by one
// of the functions.
func (q *Queue) Wait() {
	done := make(chan struct{})
	if q.Do(func() { close(done) }) {
		<-done
	}
}

// Close makes Do refuse further functions, and waits until all queued functions have
// run, but no longer than patience; 0 is no bound. It reports whether all have run.
// It may be called more than once.
func (q *Queue) Close(patience time.Duration) bool {
	q.mu.Lock()
	q.closed = true
	if !q.running {
		q.mu.Unlock()
		return true
	}
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	idle := q.idle
	q.mu.Unlock()
	if patience == 0 {
		<-idle
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}
