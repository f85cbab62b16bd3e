package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	// EventEndpoint: an endpoint's state has changed or, while it is connecting, the
	// reason why the last attempt has failed. From is empty for one that has joined
	// the list, and To is StateRemoved for one that has left it.
	EventEndpoint EventKind = "endpoint"
	// EventNoneEligible: To is NoneEligible if no endpoint is eligible from now on,
	// and SomeEligible if one is again.
	EventNoneEligible EventKind = "none_eligible"
	// EventList: a list of endpoints has been taken in (To is ListAccepted) or was
	// refused (ListRefused).
	EventList EventKind = "list"
	// EventSwitch: another endpoint is the active one; Event.Switch says more. No
	// call made after it is sent to the one before.
	EventSwitch EventKind = "switch"
	// EventPin: the active endpoint is pinned from now on (To is Pinned), or not
	// any more (Unpinned).
	EventPin EventKind = "pin"
	// EventMultipleActive: To is MultipleActive if several endpoints say that they
	// serve, of which one at a time should; Detail names them. It is OneActive once
	// that has ended.
	EventMultipleActive EventKind = "multiple_active"
)

// Event is one change in a client.
type Event struct {
	// Number counts the client's events, from 1.
	Number uint64    `json:"number"`
	At     time.Time `json:"at,omitzero"`
	Kind   EventKind `json:"kind"`
	// Endpoint is its name, where the event is about one endpoint.
	Endpoint string        `json:"endpoint,omitempty"`
	From     EndpointState `json:"from,omitempty"`
	To       EndpointState `json:"to,omitempty"`
	// Reason is why, and Detail the same for people: bounded, printable, and
	// without secrets, but it may hold words of a server.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Held is how long the state before had lasted, 0 if that is not known.
	Held time.Duration `json:"-"` // heldSeconds
	// Switch is zero unless the event is one. Its Reason and At are those of the
	// event; JSON has them there.
	Switch Switch `json:"switch,omitzero"`
}

// Switch is one change of the active endpoint.
type Switch struct {
	// Number counts the client's switches, from 1. It is no fencing token: other
	// clients count for themselves.
	Number uint64 `json:"number"`
	// From and To are names; From is empty if no endpoint was active before. An
	// endpoint that is active again after none was has not been switched to.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	// Reason is why From is not the active endpoint any more, or why To is.
	Reason Reason    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// EventBatch is what a subscriber receives at one time.
type EventBatch struct {
	// Events are those since the last batch, in order.
	Events []Event `json:"events"`
	// Missed is how many came before these and are gone, because the subscriber
	// was too slow. Of the newest 1,024 none is ever missed.
	Missed uint64 `json:"missed"`
}

// String returns the event as one line, such as
//
//	endpoint "seq1": healthy -> unhealthy (not_serving) after 12s
func (e Event) String() string {
	line, _ := e.AppendText(nil)
	return string(line)
}

// AppendText appends the text of String to line. The error is always nil.
func (e Event) AppendText(line []byte) ([]byte, error) {
	switch {
	case e.Kind == EventSwitch:
		line = e.Switch.append(line)
	case e.Endpoint == "":
		line = appendStates(append(append(line, e.Kind...), ": "...), e.From, e.To)
	default:
		line = appendChange(append(line, "endpoint "...), e.Endpoint, e.From, e.To)
	}
	return appendHeld(appendWhy(line, e.Reason, e.Detail), e.Held), nil
}

// appendChange appends a name and a change of state.
func appendChange(line []byte, name string, from, to EndpointState) []byte {
	return appendStates(append(strconv.AppendQuote(line, name), ": "...), from, to)
}

func appendStates(line []byte, from, to EndpointState) []byte {
	if from != "" {
		line = append(append(line, from...), " -> "...)
	}
	return append(line, to...)
}

// appendHeld appends how long the state before had lasted, if that is known.
func appendHeld(line []byte, held time.Duration) []byte {
	if held <= 0 {
		return line
	}
	return append(append(line, " after "...), held.Round(time.Millisecond).String()...)
}

// appendWhy appends a reason and its detail in parentheses, nothing if there is
// neither.
func appendWhy(line []byte, r Reason, detail string) []byte {
	if r == ReasonNone && detail == "" {
		return line
	}
	line = append(append(line, " ("...), r...)
	if r != ReasonNone && detail != "" {
		line = append(line, ": "...)
	}
	return append(append(line, detail...), ')')
}

// String returns the switch as one line, such as
//
//	switch 2: "a" -> "b" (not_serving)
func (s Switch) String() string { return string(appendWhy(s.append(nil), s.Reason, "")) }

func (s Switch) append(line []byte) []byte {
	line = fmt.Appendf(line, "switch %d: ", s.Number)
	if s.From == "" {
		return append(strconv.AppendQuote(line, s.To), " is the active endpoint"...)
	}
	line = append(strconv.AppendQuote(line, s.From), " -> "...)
	return strconv.AppendQuote(line, s.To)
}

// eventJSON is an Event as JSON has it.
type eventJSON struct {
	plainEvent

	HeldSeconds float64 `json:"heldSeconds,omitempty"`
}

type plainEvent Event

// MarshalJSON implements json.Marshaler.
func (e Event) MarshalJSON() ([]byte, error) {
	e.At = utc(e.At)
	e.Switch.Reason, e.Switch.At = ReasonNone, time.Time{}
	return json.Marshal(eventJSON{plainEvent(e), e.Held.Seconds()})
}

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes.
func (e *Event) UnmarshalJSON(data []byte) error {
	var in eventJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*e = Event(in.plainEvent)
	e.Held = duration(in.HeldSeconds)
	if e.Switch.Number != 0 {
		e.Switch.Reason, e.Switch.At = e.Reason, e.At
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (s Switch) MarshalJSON() ([]byte, error) {
	type plain Switch
	s.At = utc(s.At)
	return json.Marshal(plain(s))
}
