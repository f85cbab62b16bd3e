package quorum

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
)

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events.
const (
	// EventDissent reports that a member contradicts what others agree on. From then on
	// it is asked last, and is not used by streams if it contradicted a stream.
	EventDissent EventKind = "dissent"
	// EventDissentCleared reports that ClearDissent has cleared the dissent of a
	// member. A dissent that expires causes no event.
	EventDissentCleared EventKind = "dissent_cleared"
	// EventAgreementLost reports the first read since an agreement that has reached
	// none, a stream that cannot continue, or one to whose members, but for too few, no
	// subscription works for ten seconds. EventAgreementRegained reports the first read
	// or stream that agrees again, or to whose members enough subscriptions work.
	EventAgreementLost     EventKind = "agreement_lost"
	EventAgreementRegained EventKind = "agreement_regained"
	// EventReplaced reports that a stream continues with another member in place of
	// this one.
	EventReplaced EventKind = "replaced"
	// EventMembers reports that the list of members has changed, or that a list was
	// refused.
	EventMembers EventKind = "members"
)

// Event is one change among members.
type Event struct {
	// Number counts the events of a Members, from 1.
	Number uint64
	At     time.Time
	Kind   EventKind
	// Member is the member's name, if the event is about one.
	Member string
	Reason Reason
	// Detail is for people: one line of at most 200 bytes, printable, which may contain
	// text of a server.
	Detail string
}

// String returns the event in one line, such as
// `dissent: member "org3" (differs): 5 members agree on another answer`.
func (e Event) String() string {
	s := string(e.Kind)
	if e.Member != "" {
		s += fmt.Sprintf(": member %q", e.Member)
	}
	s += fmt.Sprintf(" (%s)", e.Reason)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// News is a batch of events for a subscriber.
type News struct {
	// Events are the events since the last batch, in order.
	Events []Event
	// Missed is how many events before these were dropped because the subscriber was
	// too slow. The newest 1,024 are never dropped.
	Missed uint64
}

const keptEvents = 1024

// Events returns the newest events, up to 1,024, oldest first.
func (m *Members) Events() []Event { return m.events.Events() }

// Subscribe returns the events from now on. The first batch has no events and comes at
// once. The loop ends with ctx, with Close, or with break. A slow subscriber does not
// delay reads or streams.
func (m *Members) Subscribe(ctx context.Context) iter.Seq[News] {
	reader := m.events.Reader()
	return func(yield func(News) bool) {
		event.Batches(ctx, reader, News{}, func(events []Event, missed uint64) News {
			return News{Events: events, Missed: missed}
		}, yield)
	}
}

func newEvents() *event.Log[Event] { return event.NewLog[Event](keptEvents) }
