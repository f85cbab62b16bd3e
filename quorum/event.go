package quorum

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
)

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	// EventDissent: a member contradicts what others agree on. It is asked last from
	// then on, and by streams not at all if it was a stream that it contradicted.
	EventDissent EventKind = "dissent"
	// EventDissentCleared: ClearDissent has forgotten the dissent of a member. One that
	// is forgotten since its time is over is no event.
	EventDissentCleared EventKind = "dissent_cleared"
	// EventAgreementLost: the first read since an agreement that has reached none, or a
	// stream that cannot go on. EventAgreementRegained: the first that has again.
	EventAgreementLost     EventKind = "agreement_lost"
	EventAgreementRegained EventKind = "agreement_regained"
	// EventReplaced: a stream goes on with another member in place of this one.
	EventReplaced EventKind = "replaced"
	// EventMembers: the list of members has changed, or a list was refused.
	EventMembers EventKind = "members"
)

// Event is one change among members.
type Event struct {
	// Number counts the events of a Members, from 1.
	Number uint64
	At     time.Time
	Kind   EventKind
	// Member is its name, where the event is about one.
	Member string
	Reason Reason
	// Detail is for people: one line of at most 200 bytes, printable, which may hold
	// words of a server.
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

// News is what a subscriber is told at one time.
type News struct {
	// Events are those since the last time, in order.
	Events []Event
	// Missed is how many came before these and are gone, because the subscriber was
	// too slow. The newest 1,024 are never missed.
	Missed uint64
}

const keptEvents = 1024

// Events returns the newest events, up to 1,024, oldest first.
func (m *Members) Events() []Event { return m.events.Events() }

// Subscribe follows the events from now on. The first news has no events and comes at
// once. The loop ends with ctx, with Close, or by break. A slow subscriber holds up
// nothing.
func (m *Members) Subscribe(ctx context.Context) iter.Seq[News] {
	reader := m.events.Reader()
	return func(yield func(News) bool) {
		for news := (News{}); yield(news); {
			events, missed, err := reader.Next(ctx)
			if err != nil {
				return
			}
			news = News{Events: events, Missed: missed}
		}
	}
}

func newEvents() *event.Log[Event] { return event.NewLog[Event](keptEvents) }
