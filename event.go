package cantonlb

import (
	"context"
	"iter"

	"github.com/cantonlb/cantonlb/report"
)

// State is what an endpoint is, in one word: its connection, its health, and what
// has been decided about it, whichever matters most. The same word stands in
// errors, log lines, metric labels, events and status.
type State = report.EndpointState

// The states of an endpoint. Calls are sent to healthy and suspect ones only,
// unless NoneEligible is FailOpen.
const (
	// StateConnecting: there is no connection yet; one is being made, has only just
	// been made, or the next attempt is waited for.
	StateConnecting = report.StateConnecting
	// StateUnknown: connected, and not judged yet.
	StateUnknown = report.StateUnknown
	// StateHealthy: it serves.
	StateHealthy = report.StateHealthy
	// StateSuspect: it served, and something speaks against it, but not yet enough.
	StateSuspect = report.StateSuspect
	// StateUnhealthy: it does not serve.
	StateUnhealthy = report.StateUnhealthy
	// StateEjected: its calls failed in a row although its probes pass, so that it
	// is out for a while.
	StateEjected = report.StateEjected
	// StateDrained: Client.Drain has taken it out.
	StateDrained = report.StateDrained
	// StateRemoved: it has left the list.
	StateRemoved = report.StateRemoved
)

// Reason is why an endpoint is in its state, why the active endpoint changed, or
// what a probe found. The set is closed: package report has the constants, such as
// report.ReasonNotServing. The same word stands in errors, log lines, metric
// labels, events and status; docs/reasons.md explains each.
type Reason = report.Reason

// EventKind says what an Event is about.
type EventKind = report.EventKind

// The kinds of events.
const (
	// EventEndpoint: an endpoint's state has changed or, while it is connecting, the
	// reason why the last attempt has failed. From is empty for one that has joined
	// the list, and To is StateRemoved for one that has left it.
	EventEndpoint = report.EventEndpoint
	// EventNoneEligible: To is "none_eligible" if no endpoint is eligible from now
	// on, and "eligible" if one is again.
	EventNoneEligible = report.EventNoneEligible
	// EventList: a list of endpoints has been taken in (To is "accepted") or was
	// "refused".
	EventList = report.EventList
	// EventSwitch: another endpoint is the active one; Event.Switch says more. No
	// call made after it is sent to the one before.
	EventSwitch = report.EventSwitch
	// EventPin: the active endpoint is "pinned" from now on, or "unpinned".
	EventPin = report.EventPin
	// EventMultipleActive: To is "multiple_active" if several endpoints say that
	// they serve, of which one at a time should; Detail names them. It is
	// "one_active" once that has ended.
	EventMultipleActive = report.EventMultipleActive
)

// Event is one change in a Client: its Number, counted from 1, when it happened
// (At), its Kind, the Endpoint it is about, the states From and To, and why: Reason,
// and Detail for people, which may hold words of a server, printable ones of
// bounded length. Held is how long the state before had lasted, 0 if that is not
// known; Switch is set for an EventSwitch. It prints as one line and marshals to
// JSON with words, RFC 3339 times and seconds.
type Event = report.Event

// Switch is one change of the active endpoint: its Number, counted from 1, the
// names From and To, the Reason, and when it was (At). From is empty at the first
// choice. The Number is no fencing token: other clients count for themselves.
type Switch = report.Switch

// EventBatch is what a subscriber receives at one time: the Events since the last
// batch, in order, and how many it Missed before these because it was too slow. Of
// the newest 1,024 events none is ever missed.
type EventBatch = report.EventBatch

// Events returns the newest events, up to 1,024, oldest first.
func (c *Client) Events() []Event { return c.set.Events() }

// Subscribe follows the client's events, from now on:
//
//	for batch := range client.Subscribe(ctx) {
//		for _, e := range batch.Events {
//			log.Print(e)
//		}
//	}
//
// The first batch is empty and comes at once: a program that reads Status then, and
// follows what comes, misses nothing. The loop ends with ctx, with Close, or by
// break. A slow subscriber holds up nothing, and receives what has come meanwhile
// together.
func (c *Client) Subscribe(ctx context.Context) iter.Seq[EventBatch] {
	reader := c.set.Follow()
	return func(yield func(EventBatch) bool) {
		for batch := (EventBatch{}); yield(batch); {
			events, missed, err := reader.Next(ctx)
			if err != nil {
				return
			}
			batch = EventBatch{Events: events, Missed: missed}
		}
	}
}
