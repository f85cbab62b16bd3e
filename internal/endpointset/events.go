package endpointset

import (
	"fmt"
	"time"

	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
)

var logger = grpclog.Component("cantonlb")

// Teller returns what the events, metrics and log lines of the set go to.
func (s *Set) Teller() *telling.Teller { return s.teller }

// ListRefused emits an event for a list that was refused before it reached the set.
func (s *Set) ListRefused(err error) {
	s.scope.Lock()
	defer s.scope.Unlock()
	s.refusedLocked(err)
}

// ListKept reports that the newest list is the one that is in effect, which is an event
// if the list before it was refused.
func (s *Set) ListKept() {
	s.scope.Lock()
	defer s.scope.Unlock()
	s.acceptedLocked(0, 0)
}

// acceptedLocked emits an event for a list that is in effect, if it differs from the one
// before it, or if the newest one was refused.
func (s *Set) acceptedLocked(fresh, left int) {
	if fresh > 0 || left > 0 || s.refused {
		s.refused = false
		s.emitLocked(report.Event{
			Kind: report.EventList, To: report.ListAccepted, At: time.Now(),
			Detail: fmt.Sprintf("endpoints: %d, new or changed: %d, removed: %d", len(s.list), fresh, left),
		})
	}
}

func (s *Set) refusedLocked(err error) {
	s.refused = true
	s.emitLocked(report.Event{Kind: report.EventList, To: report.ListRefused, Detail: cleantext.Detail(err.Error()), At: time.Now()})
}

// emitLocked reports an event to the log, the metrics, and all followers.
func (s *Set) emitLocked(e report.Event) {
	if s.scope.Closed() {
		return
	}
	s.books.count(e)
	s.teller.Event(e)
}
