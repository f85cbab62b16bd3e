package ledger

import (
	"maps"
	"sync"
	"time"
)

// Reopening is one time that a stream was opened again.
type Reopening struct {
	// Cause and Err say why.
	Cause Cause
	Err   error
	// Last is the offset after which the stream goes on.
	Last Offset
	// Try counts the tries since the last message, from 1.
	Try int
	// Pause is how long is waited before.
	Pause time.Duration
}

// Monitor keeps the state of a stream for status pages and metrics. The zero value is ready for use,
// for one stream at a time. It is safe for concurrent use, and a nil *Monitor keeps nothing.
type Monitor struct {
	mu     sync.Mutex
	status Status
}

// Status is the state of a stream.
type Status struct {
	// Running tells that a loop runs over the stream, Open that it is open at the moment.
	Running, Open bool
	// Last is the offset after which it goes on, LastAt when that was reached; the zero time
	// before the first message.
	Last   Offset
	LastAt time.Time
	// RecordTime is when the ledger recorded the last message, and Lag how much later it was
	// passed. Zero where messages do not say.
	RecordTime time.Time
	Lag        time.Duration
	// LedgerEnd is the end of the ledger when it was last asked for, LedgerEndAt when that was.
	// It is asked for while the stream is silent.
	LedgerEnd   Offset
	LedgerEndAt time.Time
	// Updates and Checkpoints count the messages that were delivered, Repeated those that the
	// server has sent again and that were not.
	Updates, Checkpoints, Repeated uint64
	// Reopened counts the reopenings by cause. LastReopening is the last one, LastReopeningAt its
	// time.
	Reopened        map[Cause]uint64
	LastReopening   Reopening
	LastReopeningAt time.Time
}

// Status returns the state, which is the caller's to keep.
func (m *Monitor) Status() Status {
	if m == nil {
		return Status{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	status := m.status
	status.Reopened = maps.Clone(status.Reopened)
	return status
}

// set changes the state.
func (m *Monitor) set(change func(*Status)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.status)
}

func (m *Monitor) opened(at Offset) {
	m.set(func(s *Status) { s.Running, s.Last = true, at })
}

func (m *Monitor) closed() {
	m.set(func(s *Status) { s.Running, s.Open = false, false })
}

func (m *Monitor) connected() {
	m.set(func(s *Status) { s.Open = true })
}

func (m *Monitor) repeated() {
	m.set(func(s *Status) { s.Repeated++ })
}

func (m *Monitor) ledgerEnd(end Offset) {
	m.set(func(s *Status) { s.LedgerEnd, s.LedgerEndAt = end, time.Now() })
}

func (m *Monitor) passed(at position) {
	m.set(func(s *Status) {
		s.Last, s.LastAt = at.last, time.Now()
		if !at.recordTime.IsZero() {
			s.RecordTime, s.Lag = at.recordTime, max(0, s.LastAt.Sub(at.recordTime))
		}
		if at.checkpoint {
			s.Checkpoints++
		} else {
			s.Updates++
		}
	})
}

func (m *Monitor) reopening(r Reopening) {
	m.set(func(s *Status) {
		if s.Reopened == nil {
			s.Reopened = make(map[Cause]uint64)
		}
		s.Open = false
		s.Reopened[r.Cause]++
		s.LastReopening, s.LastReopeningAt = r, time.Now()
	})
}
