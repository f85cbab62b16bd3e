package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/report"
)

// keptEvents is how many events a set remembers.
const keptEvents = 1024

// Events gives the newest events, oldest first.
func (s *Set) Events() []report.Event { return s.events.Events() }

// Follow makes a reader of the events to come.
func (s *Set) Follow() *event.Reader[report.Event] { return s.events.Reader() }

// ListRefused makes an event of a list that was refused before it came here.
func (s *Set) ListRefused(err error) {
	s.mu.Lock()
	defer s.unlock()
	s.refusedLocked(err)
}

func (s *Set) refusedLocked(err error) {
	s.emitLocked(report.Event{Kind: report.EventList, To: report.ListRefused, Detail: cleantext.Detail(err.Error()), At: time.Now()})
}

// emitLocked makes an event known: to the log, to the metrics, and to all who
// follow.
func (s *Set) emitLocked(e report.Event) {
	if s.closed {
		return
	}
	if s.reporter == nil {
		s.startReporterLocked()
	}
	s.emitted++
	e.Number = s.emitted
	s.countLocked(e)
	s.events.Append(e)
}
