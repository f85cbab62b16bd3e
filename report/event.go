package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events.
const (
	// EventEndpoint reports that an endpoint's state has changed or, if From and To
	// are both StateUnreachable, that attempts to connect fail for another reason than
	// before. From is empty for an endpoint that has joined the list, and To is
	// StateRemoved for one that has left it.
	EventEndpoint EventKind = "endpoint"
	// EventNoneEligible reports that no endpoint is eligible from now on (To is
	// NoneEligible), or that one is eligible again (To is SomeEligible).
	EventNoneEligible EventKind = "none_eligible"
	// EventList reports that a list of endpoints was accepted (To is ListAccepted) or
	// refused (To is ListRefused). The list in effect is reported again after one that
	// was refused.
	EventList EventKind = "list"
	// EventSwitch reports that another endpoint is the active one; Event.Switch has
	// the details. No call made after it is sent to the previous active endpoint.
	EventSwitch EventKind = "switch"
	// EventPin reports that the active endpoint is pinned from now on (To is Pinned),
	// or no longer pinned (To is Unpinned).
	EventPin EventKind = "pin"
	// EventMultipleActive reports that several endpoints say that they serve although
	// only one at a time should (To is MultipleActive, and Detail names them), or that
	// this has ended (To is OneActive).
	EventMultipleActive EventKind = "multiple_active"
	// EventHandover reports that no endpoint of a new list can carry the calls, so that
	// the endpoints that have left the list still do (To is HandoverHeld; Detail names
	// them and says what is wrong with the new ones), or that this has ended (To is
	// HandoverEnded; Held is how long they have served on). The former is reported once
	// for each such list.
	EventHandover EventKind = "handover"
)

// Event is one change in a client.
type Event struct {
	// Number counts the client's events, from 1.
	Number uint64    `json:"number"`
	At     time.Time `json:"at,omitzero"`
	Kind   EventKind `json:"kind"`
	// Endpoint is the name of the endpoint, if the event is about one endpoint.
	Endpoint string        `json:"endpoint,omitempty"`
	From     EndpointState `json:"from,omitempty"`
	To       EndpointState `json:"to,omitempty"`
	// Reason is why the change happened. Detail explains it for people: it is
	// bounded, printable and without secrets, but may hold text of a server.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Passive is true if the state To is normal for the endpoint, which is a standby:
	// see EndpointStatus.Passive.
	Passive bool `json:"passive,omitempty"`
	// Held is how long the previous state lasted, or 0 if that is not known.
	Held time.Duration `json:"-"` // heldSeconds
	// Switch is zero unless the Kind is EventSwitch. Its Reason and At are those of
	// the event; JSON has them only in the event.
	Switch Switch `json:"switch,omitzero"`
}

// Switch is one change of the active endpoint.
type Switch struct {
	// Number counts the client's switches, from 1. It is not a fencing token: each
	// client counts its own switches.
	Number uint64 `json:"number"`
	// From and To are the names of endpoints; From is empty if no endpoint was active
	// before. If the same endpoint becomes active again after none was, that is not a
	// switch.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	// Reason is why From is no longer the active endpoint, or why To is.
	Reason Reason    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// EventBatch is what a subscriber receives at one time.
type EventBatch struct {
	// Events are the events since the last batch, in order.
	Events []Event `json:"events"`
	// Missed is the number of events since the last batch that were dropped because
	// the subscriber was too slow. The newest 1,024 events are never dropped, except
	// that of more than 256 suspicions (see Event.IsSuspicion) the oldest are. So at
	// least the newest 768 events that are none are kept.
	Missed uint64 `json:"missed"`
}

// IsSuspicion reports whether the event is a suspicion against an endpoint, or its end
// without a consequence. It does not affect calls, and may come often.
func (e Event) IsSuspicion() bool {
	return e.Kind == EventEndpoint && (e.To == StateSuspect || e.From == StateSuspect && e.To == StateHealthy)
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
	if from == to {
		return append(append(line, "still "...), to...)
	}
	if from != "" {
		line = append(append(line, from...), " -> "...)
	}
	return append(line, to...)
}

// appendHeld appends how long the previous state lasted, if that is known.
func appendHeld(line []byte, held time.Duration) []byte {
	if held <= 0 {
		return line
	}
	return append(append(line, " after "...), held.Round(time.Millisecond).String()...)
}

// appendWhy appends a reason and its detail in parentheses, or nothing if there is
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

// eventJSON is the JSON form of an Event.
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
