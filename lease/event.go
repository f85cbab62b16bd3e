package lease

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/cantonlb/cantonlb/lease/internal/machine"
)

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	// EventHolder: another holder was seen; Holder is empty if the lease is free.
	EventHolder EventKind = "holder"
	// EventAcquired: this candidate holds the lease. Reason says why it could have it.
	EventAcquired EventKind = "acquired"
	// EventLost: this candidate holds the lease no more, and its work was told to end.
	EventLost EventKind = "lost"
	// EventReleased: the work has returned, and the lease is being given up.
	EventReleased EventKind = "released"
	// EventNotReleased: the store could not be told so. The lease passes on when its
	// TTL has passed.
	EventNotReleased EventKind = "not_released"
	// EventRefused: the lease was acquired and is not used, since its token is not
	// greater than one seen before, or since the answer came too late.
	EventRefused EventKind = "refused"
	// EventStuck: the work has not returned although its lease was lost StuckAfter ago,
	// or although it was stopped a TTL ago.
	EventStuck EventKind = "stuck"
	// EventStoreFailing and EventStoreAnswering: the store answers no more, or again.
	EventStoreFailing   EventKind = "store_failing"
	EventStoreAnswering EventKind = "store_answering"
	// EventWatchEnded: the store does not tell of changes, so that they are found by
	// reading. Watching is tried again.
	EventWatchEnded EventKind = "watch_ended"
)

// Reason is why an event has happened. The set is closed.
type Reason string

// The reasons.
const (
	ReasonNone Reason = ""
	// ReasonFree: the lease was free.
	ReasonFree Reason = "free"
	// ReasonExpired: its holder had not renewed it for its TTL.
	ReasonExpired Reason = "expired"
	// ReasonOwn: the record was this candidate's own, from before.
	ReasonOwn Reason = "own"
	// ReasonNotRenewed: no renewal was answered in time.
	ReasonNotRenewed Reason = "not_renewed"
	// ReasonTaken: the store has another record.
	ReasonTaken Reason = "taken"
	// ReasonWorkReturned: the work has returned by itself.
	ReasonWorkReturned Reason = "work_returned"
	// ReasonStopped: the context of Run has ended.
	ReasonStopped Reason = "stopped"
	// ReasonYielded: a Group has left the lease to a process that has fewer.
	ReasonYielded Reason = "yielded"
	// ReasonTokenWentBack: the store gave a token that is not greater than one seen
	// before, as after it was restored from a backup.
	ReasonTokenWentBack Reason = "token_went_back"
	// ReasonLate: the answer came after the lease had ended.
	ReasonLate Reason = "late"
	// ReasonStoreError: a request failed; Detail says how.
	ReasonStoreError Reason = "store_error"
)

// Event is one change of a candidate.
type Event struct {
	// Number counts the candidate's events, from 1.
	Number uint64
	At     time.Time
	Kind   EventKind
	// Name is the lease's. Holder and Token are those of the record that the event is
	// about.
	Name   string
	Holder string
	Token  uint64
	Reason Reason
	// Detail is the same for people: bounded, printable, and perhaps in a store's words.
	Detail string
}

// String returns the event in one line, such as
// `lease "pink": acquired by "host:1/8c5f" with token 7 (expired)`.
func (e Event) String() string {
	text := fmt.Sprintf("lease %q: %s", e.Name, e.Kind)
	if e.Holder != "" {
		text += fmt.Sprintf(" by %q with token %d", e.Holder, e.Token)
	}
	if e.Reason != ReasonNone {
		text += fmt.Sprintf(" (%s)", e.Reason)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func (e Event) level() slog.Level {
	switch e.Kind {
	case EventStuck:
		return slog.LevelError
	case EventLost, EventNotReleased, EventRefused, EventStoreFailing, EventWatchEnded:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func (e Event) log(logger *slog.Logger) {
	attributes := []slog.Attr{
		slog.String("lease", e.Name), slog.String("event", string(e.Kind)),
		slog.String("holder", e.Holder), slog.Uint64("token", e.Token),
	}
	if e.Reason != ReasonNone {
		attributes = append(attributes, slog.String("reason", string(e.Reason)))
	}
	if e.Detail != "" {
		attributes = append(attributes, slog.String("detail", e.Detail))
	}
	logger.LogAttrs(context.Background(), e.level(), "lease "+string(e.Kind), attributes...) //nolint:sloglint // the kinds are constants
}

// News is what a subscriber is told at one time.
type News struct {
	// Events are those since the last time, in order.
	Events []Event
	// Missed is how many came before these and are gone, because the subscriber was
	// too slow: of the newest 256 none is ever missed.
	Missed uint64
}

// Events returns the newest events, up to 256, oldest first.
func (c *Candidate) Events() []Event { return c.events.Events() }

// Subscribe follows the candidate's events, from now on. The first news has no events
// and comes at once. The loop ends with ctx, when Run has returned, or by break.
func (c *Candidate) Subscribe(ctx context.Context) iter.Seq[News] {
	reader := c.events.Reader()
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

var kinds = map[machine.NewsKind]EventKind{
	machine.NewsHolder:      EventHolder,
	machine.NewsAcquired:    EventAcquired,
	machine.NewsLost:        EventLost,
	machine.NewsReleased:    EventReleased,
	machine.NewsNotReleased: EventNotReleased,
	machine.NewsStuck:       EventStuck,
	machine.NewsFailing:     EventStoreFailing,
	machine.NewsAnswering:   EventStoreAnswering,
	machine.NewsRefused:     EventRefused,
}

var reasons = map[machine.Why]Reason{
	machine.WhyFree:       ReasonFree,
	machine.WhyExpired:    ReasonExpired,
	machine.WhyOwn:        ReasonOwn,
	machine.WhyNotRenewed: ReasonNotRenewed,
	machine.WhyTaken:      ReasonTaken,
	machine.WhyReturned:   ReasonWorkReturned,
	machine.WhyStopped:    ReasonStopped,
	machine.WhyTokenBack:  ReasonTokenWentBack,
	machine.WhyLate:       ReasonLate,
	machine.WhyYielded:    ReasonYielded,
}
