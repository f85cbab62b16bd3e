package shard

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/report"
)

// EventKind is the kind of an Event.
type EventKind = report.ShardEventKind

// The kinds of events.
const (
	// EventShards: Update has changed the shards, or a config file is good again.
	EventShards = report.ShardEventShards
	// EventDiscoveryFailed: look-ups at a shard have begun to fail.
	// EventDiscoveryRegained: they work again.
	EventDiscoveryFailed   = report.ShardEventDiscoveryFailed
	EventDiscoveryRegained = report.ShardEventDiscoveryRegained
	// EventIdentityMismatch: a shard is another participant than it should be, and gets no
	// requests. EventIdentityRestored: it is the right one again.
	EventIdentityMismatch = report.ShardEventIdentityMismatch
	EventIdentityRestored = report.ShardEventIdentityRestored
	// EventSameParticipant: two shards are one participant.
	EventSameParticipant = report.ShardEventSameParticipant
	// EventTruncated: a shard lists more parties or users than are remembered.
	EventTruncated = report.ShardEventTruncated
	// EventMoved: the first submission of a party that was refused with a MovedError.
	EventMoved = report.ShardEventMoved
	// EventConfig: a config file that is followed was refused.
	EventConfig = report.ShardEventConfig
)

// Event is one change among the shards.
type Event = report.ShardEvent

// EventBatch is a batch of events for a subscriber.
type EventBatch struct {
	// Events are the events since the last batch, in order.
	Events []Event
	// Missed is how many events before these were dropped because the subscriber was too
	// slow. The newest 1,024 are never dropped.
	Missed uint64
}

const keptEvents = 1024

// Events returns the newest events, up to 1,024, oldest first.
func (r *Router) Events() []Event { return r.events.Events() }

// Subscribe returns the events from now on. The first batch has no events and comes at
// once. The loop ends with ctx, with Close, or with break. A slow subscriber does not
// delay requests.
func (r *Router) Subscribe(ctx context.Context) iter.Seq[EventBatch] {
	reader := r.events.Reader()
	return func(yield func(EventBatch) bool) {
		event.Batches(ctx, reader, EventBatch{}, func(events []Event, missed uint64) EventBatch {
			return EventBatch{Events: events, Missed: missed}
		}, yield)
	}
}

// eventLocked numbers and counts an event. It returns it for tell.
func (r *Router) eventLocked(kind EventKind, shard, detail string) Event {
	r.number++
	e := Event{Number: r.number, At: time.Now(), Kind: kind, Shard: shard, Detail: cleantext.Detail(detail)}
	r.events.Append(e)
	r.happened[happening{kind, shard}]++
	return e
}

// happening is what events are counted by.
type happening struct {
	kind  EventKind
	shard string
}

// tell logs events, with no lock held.
func (r *Router) tell(events ...Event) {
	logger := cmp.Or(r.cfg.Logger, slog.Default())
	for _, e := range events {
		say := logger.Info
		if e.Bad() {
			say = logger.Warn
		}
		say("shard", slog.String("event", string(e.Kind)), slog.String("shard", e.Shard), slog.String("detail", e.Detail))
	}
}
