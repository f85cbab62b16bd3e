package lease

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/cantonlb/cantonlb/lease/internal/machine"
)

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events.
const (
	// EventHolder: another holder was seen; Holder is empty if the lease is free.
	EventHolder EventKind = "holder"
	// EventAcquired: this candidate holds the lease. Reason is why it could acquire it.
	EventAcquired EventKind = "acquired"
	// EventLost: this candidate no longer holds the lease, and the context of its work
	// has ended.
	EventLost EventKind = "lost"
	// EventReleased: the work has returned, and the lease is being released.
	EventReleased EventKind = "released"
	// EventNotReleased: the release did not reach the store. Another candidate can
	// acquire the lease when its TTL has passed.
	EventNotReleased EventKind = "not_released"
	// EventRefused: the lease was acquired and is not used, because its token is not
	// greater than an earlier one, or because the answer came too late.
	EventRefused EventKind = "refused"
	// EventStuck: the work has not returned although its lease was lost StuckAfter ago,
	// or although it was stopped a TTL ago.
	EventStuck EventKind = "stuck"
	// EventStoreFailing and EventStoreAnswering: the store no longer answers, or
	// answers again.
	EventStoreFailing   EventKind = "store_failing"
	EventStoreAnswering EventKind = "store_answering"
	// EventWatchEnded: the store does not notify of changes, so that the candidate
	// reads the lease regularly. The watch is retried.
	EventWatchEnded EventKind = "watch_ended"
)

// Reason is why an event has happened. The set of values is closed.
type Reason string

// The reasons.
const (
	ReasonNone Reason = ""
	// ReasonFree: the lease was free.
	ReasonFree Reason = "free"
	// ReasonExpired: its holder had not renewed it for its TTL.
	ReasonExpired Reason = "expired"
	// ReasonOwn: the record was this candidate's own, from an earlier term.
	ReasonOwn Reason = "own"
	// ReasonNotRenewed: no renewal was answered in time.
	ReasonNotRenewed Reason = "not_renewed"
	// ReasonTaken: the store has another record.
	ReasonTaken Reason = "taken"
	// ReasonWorkReturned: the work has returned without being stopped.
	ReasonWorkReturned Reason = "work_returned"
	// ReasonStopped: the context of Run has ended.
	ReasonStopped Reason = "stopped"
	// ReasonYielded: a Group has released the lease to a process that has fewer.
	ReasonYielded Reason = "yielded"
	// ReasonTokenWentBack: the store returned a token that is not greater than an
	// earlier one, for example after it was restored from a backup.
	ReasonTokenWentBack Reason = "token_went_back"
	// ReasonLate: the answer came after the lease had ended.
	ReasonLate Reason = "late"
	// ReasonStoreError: a request failed; Detail has the error.
	ReasonStoreError Reason = "store_error"
)

// Event is one change of a candidate.
type Event struct {
	// Number counts the candidate's events, from 1.
	Number uint64
	At     time.Time
	Kind   EventKind
	// Name is the name of the lease. Holder and Token are those of the record that the
	// event is about.
	Name   string
	Holder string
	Token  uint64
	Reason Reason
	// Detail is a text for people: bounded, printable, and possibly from the store.
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

// News is a batch of events for a subscriber.
type News struct {
	// Events are the events since the last batch, in order.
	Events []Event
	// Missed is how many events before these were dropped because the subscriber was
	// too slow. The newest 256 are never dropped.
	Missed uint64
}

// Events returns the newest events, up to 256, oldest first.
func (c *Candidate) Events() []Event { return c.events.Events() }

// Subscribe returns the candidate's events, from now on. The first batch has no events
// and comes at once. The loop ends with ctx, when Run has returned, or with break.
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
