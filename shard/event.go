package shard

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
)

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events.
const (
	// EventShards reports that Update has changed the shards.
	EventShards EventKind = "shards"
	// EventDiscoveryFailed reports that a shard cannot say who is on it any more, and
	// EventDiscoveryRegained that it can again.
	EventDiscoveryFailed   EventKind = "discovery_failed"
	EventDiscoveryRegained EventKind = "discovery_regained"
	// EventIdentityMismatch reports a shard that is another participant than it should be,
	// and gets no requests. EventIdentityRestored reports that it is the right one again.
	EventIdentityMismatch EventKind = "identity_mismatch"
	EventIdentityRestored EventKind = "identity_restored"
	// EventSameParticipant reports that two shards are one participant.
	EventSameParticipant EventKind = "same_participant"
	// EventTruncated reports that a shard lists more parties or users than are remembered.
	EventTruncated EventKind = "truncated"
	// EventMoved reports the first submission of a party that was refused with a
	// MovedError.
	EventMoved EventKind = "moved"
)

// Event is one change among the shards.
type Event struct {
	// Number counts the events of a Router, from 1.
	Number uint64
	At     time.Time
	Kind   EventKind
	// Shard is the name of the shard, if the event is about one.
	Shard string
	// Detail is for people: one line of at most 200 bytes, printable, which may contain
	// text of a server.
	Detail string
}

// String returns the event in one line, such as
// `discovery_failed: shard "p2": Unavailable: connection refused`.
func (e Event) String() string {
	s := string(e.Kind)
	if e.Shard != "" {
		s += fmt.Sprintf(": shard %q", e.Shard)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// bad reports whether the event is logged as a warning.
func (e Event) bad() bool {
	switch e.Kind {
	case EventDiscoveryFailed, EventIdentityMismatch, EventSameParticipant, EventTruncated, EventMoved:
		return true
	default:
		return false
	}
}

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

// eventLocked numbers an event. It returns it for tell.
func (r *Router) eventLocked(kind EventKind, shard, detail string) Event {
	r.number++
	e := Event{Number: r.number, At: time.Now(), Kind: kind, Shard: shard, Detail: cleantext.Detail(detail)}
	r.events.Append(e)
	return e
}

// tell logs events, with no lock held.
func (r *Router) tell(events ...Event) {
	logger := cmp.Or(r.cfg.Logger, slog.Default())
	for _, e := range events {
		say := logger.Info
		if e.bad() {
			say = logger.Warn
		}
		say("shard", slog.String("event", string(e.Kind)), slog.String("shard", e.Shard), slog.String("detail", e.Detail))
	}
}
