package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/event"
)

// EventKind says what an event is about.
type EventKind string

// The kinds of events.
const (
	// EventEndpoint: an endpoint's state has changed or, while it is connecting, the
	// reason why the last attempt has failed.
	EventEndpoint EventKind = "endpoint"
	// EventNoneEligible: from now on no endpoint is eligible, or one is again.
	EventNoneEligible EventKind = "none_eligible"
	// EventList: a list of endpoints has been taken in, or refused.
	EventList EventKind = "list"
	// EventSwitch: another endpoint is the active. Endpoint is its name. From then
	// on no call is given to the one before.
	EventSwitch EventKind = "switch"
	// EventPin: the active has been pinned to an endpoint, or that has ended.
	EventPin EventKind = "pin"
	// EventMultipleActive: several endpoints say that they serve, of which one
	// at a time should, or have ceased to.
	EventMultipleActive EventKind = "multiple_active"
)

// Switch says who took over from whom.
type Switch struct {
	// Number counts the set's switches, from 1.
	Number uint64
	// From and To are names; From is empty if nobody was active before.
	From, To string
}

// The states between which the events go that are not about an endpoint's own.
const (
	someEligible State = "eligible"
	noneEligible State = "none_eligible"
	listAccepted State = "accepted"
	listRefused  State = "refused"
	pinned       State = "pinned"
	unpinned     State = "unpinned"

	oneActive      State = "one_active"
	multipleActive State = "multiple_active"
)

// Event is one change in a set.
type Event struct {
	// Number counts the set's events, from 1.
	Number uint64
	At     time.Time
	Kind   EventKind
	// Endpoint is its name, where the event is about one.
	Endpoint string
	From, To State
	Reason   healthcheck.Reason
	Detail   string // for people; bounded
	// Held is how long the state before had lasted, 0 if that is not known.
	Held time.Duration
	// Switch is zero unless the event is one.
	Switch Switch
}

// keptEvents is how many events a set remembers.
const keptEvents = 1024

// Events gives the newest events, oldest first.
func (s *Set) Events() []Event { return s.events.Events() }

// Follow makes a reader of the events to come.
func (s *Set) Follow() *event.Reader[Event] { return s.events.Reader() }

// ListRefused makes an event of a list that was refused before it came here.
func (s *Set) ListRefused(err error) {
	s.mu.Lock()
	defer s.unlock()
	s.refusedLocked(err)
}

func (s *Set) refusedLocked(err error) {
	s.emitLocked(Event{Kind: EventList, To: listRefused, Detail: healthcheck.CleanDetail(err.Error()), At: time.Now()})
}

// emitLocked makes an event known: to the log, to the metrics, and to all who
// follow.
func (s *Set) emitLocked(e Event) {
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
