package ledger

import (
	"maps"
	"sync"
	"time"
)

// Reopening describes one reopening of a stream.
type Reopening struct {
	// Cause and Err are why it was reopened.
	Cause Cause
	Err   error
	// Last is the offset after which the stream continues.
	Last Offset
	// Try counts the attempts since the last message, from 1.
	Try int
	// Pause is the time before the attempt.
	Pause time.Duration
}

// Monitor holds the state of a stream for status pages and metrics. The zero value is
// ready for use, for one stream at a time. It is safe for concurrent use. A nil
// *Monitor holds nothing.
type Monitor struct {
	mu     sync.Mutex
	status Status
}

// Status is the state of a stream.
type Status struct {
	// Running reports that a loop runs over the stream, Open that the stream is open
	// now.
	Running, Open bool
	// Last is the offset after which the stream continues, LastAt when it was reached;
	// the zero time before the first message.
	Last   Offset
	LastAt time.Time
	// RecordTime is when the ledger recorded the last message, and Lag how much later,
	// by this machine's clock, it was passed to the loop body. The time that the body
	// takes for it is not part of its Lag, but of that of the messages that wait
	// meanwhile. Zero if messages have no record time.
	RecordTime time.Time
	Lag        time.Duration
	// LedgerEnd is the ledger end when it was last read, LedgerEndAt when that was. It
	// is read while the stream is silent.
	LedgerEnd   Offset
	LedgerEndAt time.Time
	// Updates and Checkpoints count the messages that were delivered, Repeated those
	// that the server has sent again and that were dropped.
	Updates, Checkpoints, Repeated uint64
	// Reopened counts the reopenings by cause. LastReopening is the last one, LastReopeningAt its
	// time.
	Reopened        map[Cause]uint64
	LastReopening   Reopening
	LastReopeningAt time.Time
}

// Status returns the state. The caller may keep it.
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
	m.set(func(s *Status) { s.Running = false })
}

func (m *Monitor) connected(is bool) {
	m.set(func(s *Status) { s.Open = is })
}

func (m *Monitor) repeated() {
	m.set(func(s *Status) { s.Repeated++ })
}

func (m *Monitor) ledgerEnd(end Offset) {
	m.set(func(s *Status) { s.LedgerEnd, s.LedgerEndAt = end, time.Now() })
}

// passed notes a message that was delivered at a time, and that the loop body has dealt with.
func (m *Monitor) passed(at position, delivered time.Time) {
	m.set(func(s *Status) {
		s.Last, s.LastAt = at.last, time.Now()
		if !at.recordTime.IsZero() {
			s.RecordTime, s.Lag = at.recordTime, max(0, delivered.Sub(at.recordTime))
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
		s.Reopened[r.Cause]++
		s.LastReopening, s.LastReopeningAt = r, time.Now()
	})
}
