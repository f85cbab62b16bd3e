package cantonlb

import (
	"context"
	"iter"

	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
)

// State is the state of an endpoint in one word: the most important of its connection,
// its health, and the decisions about it. The same word is used in errors, log lines,
// metric labels, events and status.
type State = report.EndpointState

// The states of an endpoint. Calls are sent only to healthy and suspect endpoints,
// unless NoneEligible is FailOpen.
const (
	// StateConnecting means that there is no usable connection yet: the first attempt
	// is under way or has only just succeeded, or a connection was lost and the first
	// attempt to replace it has not ended.
	StateConnecting = report.StateConnecting
	// StateUnreachable means that the last attempt to connect has failed, to the
	// endpoint or to the separate address where its health is checked. Further
	// attempts follow; the state stays the same until one of them succeeds.
	StateUnreachable = report.StateUnreachable
	// StateUnknown means that the endpoint is connected and its health is not yet
	// known.
	StateUnknown = report.StateUnknown
	// StateHealthy means that the endpoint serves.
	StateHealthy = report.StateHealthy
	// StateSuspect means that the endpoint served, and that there is evidence against
	// it, but not yet enough.
	StateSuspect = report.StateSuspect
	// StateUnhealthy means that the endpoint does not serve.
	StateUnhealthy = report.StateUnhealthy
	// StateEjected means that calls on the endpoint failed in a row although its
	// probes pass, so it is not picked for a while.
	StateEjected = report.StateEjected
	// StateDrained means that Client.Drain has taken the endpoint out of rotation.
	StateDrained = report.StateDrained
	// StateRemoved means that the endpoint has left the list.
	StateRemoved = report.StateRemoved
)

// Reason is why an endpoint is in its state, why the active endpoint changed, or
// what a probe found. The set is closed: package report has the constants, such as
// report.ReasonNotServing. The same word is used in errors, log lines, metric labels,
// events and status. docs/reasons.md explains each reason.
type Reason = report.Reason

// EventKind is the kind of an Event.
type EventKind = report.EventKind

// The kinds of events.
const (
	// EventEndpoint reports that an endpoint's state has changed or, if From and To
	// are both StateUnreachable, that attempts to connect fail for another reason than
	// before. From is empty for an endpoint that has joined the list, and To is
	// StateRemoved for one that has left it.
	EventEndpoint = report.EventEndpoint
	// EventNoneEligible reports that no endpoint is eligible from now on (To is
	// "none_eligible"), or that one is eligible again (To is "eligible").
	EventNoneEligible = report.EventNoneEligible
	// EventList reports that a list of endpoints was accepted (To is "accepted") or
	// refused (To is "refused").
	EventList = report.EventList
	// EventSwitch reports that another endpoint is the active one; Event.Switch has
	// the details. No call made after it is sent to the previous active endpoint.
	EventSwitch = report.EventSwitch
	// EventPin reports that the active endpoint is pinned from now on (To is
	// "pinned"), or no longer pinned (To is "unpinned").
	EventPin = report.EventPin
	// EventMultipleActive reports that several endpoints say that they serve although
	// only one at a time should (To is "multiple_active", and Detail names them), or
	// that this has ended (To is "one_active").
	EventMultipleActive = report.EventMultipleActive
	// EventHandover reports that no endpoint of a new list can carry the calls, so that
	// the endpoints that have left the list still do (To is "held", and Detail names
	// them), or that this has ended (To is "ended").
	EventHandover = report.EventHandover
)

// Event is one change in a Client: its Number, counted from 1, when it happened (At),
// its Kind, the Endpoint it is about, the states From and To, and why: the Reason, and
// a Detail for people, which may hold text of a server, printable and of bounded
// length. Held is how long the previous state lasted, or 0 if that is not known.
// Switch is set for an EventSwitch. An Event prints as one line and marshals to JSON
// with words, RFC 3339 times and seconds.
type Event = report.Event

// Switch is one change of the active endpoint: its Number, counted from 1, the names
// From and To, the Reason, and when it happened (At). From is empty at the first
// choice. The Number is not a fencing token: each client counts its own switches.
type Switch = report.Switch

// EventBatch is what a subscriber receives at one time: the Events since the last
// batch, in order, and how many it Missed since then because it was too slow. A
// subscriber never misses one of the newest 1,024 events, except that of more than 256
// suspicions (Event.IsSuspicion) the oldest are dropped.
type EventBatch = report.EventBatch

// Events returns the newest events, up to 1,024, oldest first. Suspicions, which come
// often and affect no call, do not displace the newest 768 others.
func (c *Client) Events() []Event { return c.set.Teller().Events() }

// Subscribe returns the client's events from now on:
//
//	for batch := range client.Subscribe(ctx) {
//		for _, e := range batch.Events {
//			log.Print(e)
//		}
//	}
//
// The first batch is empty and arrives at once. A program that reads Status at that
// point and then handles the later batches misses no change. The loop ends when ctx
// ends, when the client is closed, or by break. A slow subscriber delays nothing, and
// receives the events of the meantime in one batch.
func (c *Client) Subscribe(ctx context.Context) iter.Seq[EventBatch] {
	reader := c.set.Teller().Follow()
	return func(yield func(EventBatch) bool) { telling.Batches(ctx, reader, EventBatch{}, yield) }
}

// SubscribeFrom is like Subscribe, except that it begins with the event of this number,
// or with the oldest one that is kept: the first batch has the events up to now, and how
// many of them are no longer kept. With 0 or 1 it begins with all that are kept. A
// program that has stored the number of the last event that it has handled continues
// with the next one; numbers begin again with each client.
func (c *Client) SubscribeFrom(ctx context.Context, number uint64) iter.Seq[EventBatch] {
	reader := c.set.Teller().FollowFrom(number)
	return func(yield func(EventBatch) bool) {
		events, missed := reader.Read()
		telling.Batches(ctx, reader, EventBatch{Events: events, Missed: missed}, yield)
	}
}
