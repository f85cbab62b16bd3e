package cantonlb

import (
	"context"
	"iter"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/endpointset"
)

// State is what an endpoint is, in one word: its connection, its health, and what
// has been decided about it, whichever matters most. The same word stands in
// errors, log lines, events and status.
type State string

// The states of an endpoint. Calls are given to healthy and suspect ones only,
// unless NoneEligible is FailOpen.
const (
	// StateConnecting: there is no connection yet; one is being made, has only just
	// been made, or the next attempt is waited for.
	StateConnecting = State(endpointset.StateConnecting)
	// StateUnknown: connected, and not judged yet.
	StateUnknown = State(endpointset.StateUnknown)
	// StateHealthy: it serves.
	StateHealthy = State(endpointset.StateHealthy)
	// StateSuspect: it served, and something speaks against it, but not yet
	// enough.
	StateSuspect = State(endpointset.StateSuspect)
	// StateUnhealthy: it does not serve.
	StateUnhealthy = State(endpointset.StateUnhealthy)
	// StateEjected: its calls failed in a row although its probes pass, so that it
	// is out for a while.
	StateEjected = State(endpointset.StateEjected)
	// StateDrained: Client.Drain has taken it out.
	StateDrained = State(endpointset.StateDrained)
	// StateRemoved: it has left the list.
	StateRemoved = State(endpointset.StateRemoved)
)

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	// EventEndpoint: an endpoint's state has changed or, while it is connecting, the
	// reason why the last attempt has failed. From is empty for one that
	// has joined the list, and To is StateRemoved for one that has left it.
	EventEndpoint = EventKind(endpointset.EventEndpoint)
	// EventNoneEligible: To is "none_eligible" if no endpoint is eligible from now
	// on, and "eligible" if one is again.
	EventNoneEligible = EventKind(endpointset.EventNoneEligible)
	// EventList: a list of endpoints has been taken in (To is "accepted") or was
	// "refused".
	EventList = EventKind(endpointset.EventList)
	// EventSwitch: another endpoint is the active; Event.Switch says more. No call
	// made after it is given to the one before.
	EventSwitch = EventKind(endpointset.EventSwitch)
	// EventPin: the active is "pinned" to the endpoint from now on, or "unpinned".
	EventPin = EventKind(endpointset.EventPin)
	// EventMultipleActive: To is "multiple_active" if several endpoints say that
	// they serve, of which one at a time should; Detail names them. It is
	// "one_active" once they have ceased to.
	EventMultipleActive = EventKind(endpointset.EventMultipleActive)
)

// Switch says who took over from whom. Reason and At stand in the event.
type Switch struct {
	// Number counts the client's switches, from 1. It is no fencing token: other
	// clients count for themselves.
	Number uint64
	// From and To are names; From is empty if nobody was active before.
	From, To string
}

// Event is one change in a Client.
type Event struct {
	// Number counts the client's events, from 1.
	Number uint64
	At     time.Time
	Kind   EventKind
	// Endpoint is its name, where the event is about one endpoint.
	Endpoint string
	From, To State
	// Reason is why, and Detail the same for people: bounded, printable, and
	// without secrets, but it may hold words of a server.
	Reason healthcheck.Reason
	Detail string
	// Held is how long the state before had lasted, 0 if that is not known.
	Held time.Duration
	// Switch is zero unless the event is one.
	Switch Switch
}

// String gives the event in one line, such as
// `endpoint "seq1": healthy -> unhealthy (not_serving) after 12s`.
func (e Event) String() string { return e.inner().String() }

func (e Event) inner() endpointset.Event {
	return endpointset.Event{
		Number: e.Number, At: e.At, Kind: endpointset.EventKind(e.Kind), Endpoint: e.Endpoint,
		From: endpointset.State(e.From), To: endpointset.State(e.To), Reason: e.Reason, Detail: e.Detail, Held: e.Held,
		Switch: endpointset.Switch(e.Switch),
	}
}

func newEvents(events []endpointset.Event) []Event {
	out := make([]Event, 0, len(events))
	for _, e := range events {
		out = append(out, Event{
			Number: e.Number, At: e.At, Kind: EventKind(e.Kind), Endpoint: e.Endpoint,
			From: State(e.From), To: State(e.To), Reason: e.Reason, Detail: e.Detail, Held: e.Held,
			Switch: Switch(e.Switch),
		})
	}
	return out
}

// News is what a subscriber is told at one time.
type News struct {
	// Events are those since the last time, in order.
	Events []Event
	// Missed is how many came before these and are gone, because the subscriber
	// was too slow: of the newest 1,024 none is ever missed.
	Missed uint64
}

// Events gives the newest events, up to 1,024, oldest first.
func (c *Client) Events() []Event { return newEvents(c.set.Events()) }

// Subscribe follows the client's events, from now on:
//
//	for news := range client.Subscribe(ctx) {
//		for _, e := range news.Events {
//			log.Print(e)
//		}
//	}
//
// The first news has no events and comes at once: whoever looks at Status then,
// and follows what comes, knows all. The loop ends with ctx, with Close, or by
// break. A subscriber that is slow holds up nobody, and gets what has come
// meanwhile together.
func (c *Client) Subscribe(ctx context.Context) iter.Seq[News] {
	reader := c.set.Follow()
	return func(yield func(News) bool) {
		for news := (News{}); yield(news); {
			events, missed, err := reader.Next(ctx)
			if err != nil {
				return
			}
			news = News{Events: newEvents(events), Missed: missed}
		}
	}
}
