package lease

import (
	"context"
	"iter"
	"log/slog"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/lease/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// EventKind is the kind of an Event.
type EventKind = report.LeaseEventKind

// The kinds of events.
const (
	// EventHolder: another holder was seen; Holder is empty if the lease is free.
	EventHolder = report.LeaseEventHolder
	// EventAcquired: this candidate holds the lease. Reason is why it could acquire it.
	EventAcquired = report.LeaseEventAcquired
	// EventLost: this candidate no longer holds the lease, and the context of its work
	// has ended.
	EventLost = report.LeaseEventLost
	// EventReleased: the work has returned, and the lease is being released.
	EventReleased = report.LeaseEventReleased
	// EventNotReleased: the release did not reach the store. Another candidate can
	// acquire the lease when its TTL has passed.
	EventNotReleased = report.LeaseEventNotReleased
	// EventRefused: the lease was acquired and is not used, because its token is not
	// greater than an earlier one, or because the answer came too late.
	EventRefused = report.LeaseEventRefused
	// EventStuck: the work has not returned although its lease was lost StuckAfter ago,
	// or although it was stopped a TTL ago.
	EventStuck = report.LeaseEventStuck
	// EventStoreFailing and EventStoreAnswering: the store no longer answers, or
	// answers again.
	EventStoreFailing   = report.LeaseEventStoreFailing
	EventStoreAnswering = report.LeaseEventStoreAnswering
	// EventWatchEnded: the store does not notify of changes, so that the candidate
	// polls.
	EventWatchEnded = report.LeaseEventWatchEnded
)

// Event is one change of a candidate. Its Reason is one of package report, such as
// report.ReasonLeaseExpired; docs/reasons.md explains each.
type Event = report.LeaseEvent

func level(kind EventKind) slog.Level {
	switch kind {
	case EventStuck:
		return slog.LevelError
	case EventLost, EventNotReleased, EventRefused, EventStoreFailing, EventWatchEnded:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func logEvent(logger *slog.Logger, e Event) {
	attributes := []slog.Attr{
		slog.String("lease", e.Name), slog.String("event", string(e.Kind)),
		slog.String("holder", e.Holder), slog.Uint64("token", e.Token),
	}
	if e.Reason != report.ReasonNone {
		attributes = append(attributes, slog.String("reason", string(e.Reason)))
	}
	if e.Detail != "" {
		attributes = append(attributes, slog.String("detail", e.Detail))
	}
	logger.LogAttrs(context.Background(), level(e.Kind), "lease "+string(e.Kind), attributes...) //nolint:sloglint // the kinds are constants
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
	return follow(ctx, c.events.Reader())
}

// Events returns the newest events of all leases of the group, up to 256, oldest first.
// Each lease numbers its own.
func (g *Group) Events() []Event { return g.events.Events() }

// Subscribe returns the events of all leases of the group, from now on. The first batch
// has no events and comes at once. The loop ends with ctx, when Run has returned, or with
// break.
func (g *Group) Subscribe(ctx context.Context) iter.Seq[News] {
	return follow(ctx, g.events.Reader())
}

func follow(ctx context.Context, reader *event.Reader[Event]) iter.Seq[News] {
	return func(yield func(News) bool) {
		event.Batches(ctx, reader, News{}, func(events []Event, missed uint64) News {
			return News{Events: events, Missed: missed}
		}, yield)
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

var reasons = map[machine.Why]report.Reason{
	machine.WhyFree:       report.ReasonLeaseFree,
	machine.WhyExpired:    report.ReasonLeaseExpired,
	machine.WhyOwn:        report.ReasonLeaseOwn,
	machine.WhyNotRenewed: report.ReasonLeaseNotRenewed,
	machine.WhyTaken:      report.ReasonLeaseTaken,
	machine.WhyReturned:   report.ReasonLeaseWorkReturned,
	machine.WhyStopped:    report.ReasonLeaseStopped,
	machine.WhyTokenBack:  report.ReasonLeaseTokenWentBack,
	machine.WhyLate:       report.ReasonLeaseLate,
	machine.WhyYielded:    report.ReasonLeaseYielded,
}
