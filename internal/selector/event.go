package selector

import (
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// FailBack says whether the active gives way to a preferred one.
type FailBack string

// The values of FailBack.
const (
	// FailBackNever: the active stays while it is eligible. The default.
	FailBackNever FailBack = "never"
	// FailBackAfterHold: it gives way to a preferred one that has been eligible
	// for its hold-down.
	FailBackAfterHold FailBack = "afterHold"
)

// DefaultHoldDown is the default of Config.HoldDown.
const DefaultHoldDown = 10 * time.Second

// Patience is how long a member that is undecided is waited for: the active
// while its connection is made anew, and at the first choice of all one that is
// better than those that could be chosen.
const Patience = time.Second

// Config says how to choose. Its zero value means FailBackNever.
type Config struct {
	FailBack FailBack
	// HoldDown is how long a member must have been eligible for a fail-back to
	// it, and for being steady after a relapse.
	HoldDown time.Duration
}

// Member is one of those to choose from.
type Member struct {
	// ID tells members apart. It is not 0, and no other member ever has it.
	ID int
	// Name is what people and commands call it. A member that takes the place of
	// another one has its name.
	Name string
	// Priority ranks it: the lower the number, the more preferred. Members of the
	// same priority are preferred in their order.
	Priority int
	// Leaving: it is no more in the list, and serves until its successors can.
	Leaving bool
	// Drained: it is so when it joins; from then on the commands say.
	Drained bool
}

// Standing is what is known of a member.
type Standing uint8

// The standings of a member, from worst to best.
const (
	// Out: it cannot serve now.
	Out Standing = iota
	// Undecided: it is on its way, and nothing speaks against it yet.
	Undecided
	// Suspect: it can serve, and something speaks against it.
	Suspect
	// Fit: it can serve.
	Fit
)

// Condition is what is known of a member, and why.
type Condition struct {
	Standing Standing
	Reason   report.Reason
	// Claims: it says of itself that it serves. Being connected is not enough.
	Claims bool
}

// Kind says what an Event is.
type Kind uint8

// The kinds of events. Those from EventSwitch on are commands, which may be
// refused.
const (
	// EventTime: the time of a Wake has come.
	EventTime Kind = iota
	// EventMembers: the members are these now. Those that stay keep all that is
	// known of them.
	EventMembers
	// EventCondition: the condition of the member ID is this now.
	EventCondition
	// EventConfig: the configuration is this now.
	EventConfig
	// EventSwitch: make the member of this name active.
	EventSwitch
	// EventPin: make it active, and let nobody else be.
	EventPin
	// EventUnpin: end the pin.
	EventUnpin
	// EventDrain: take it out, for maintenance.
	EventDrain
	// EventUndrain: put it back.
	EventUndrain
)

// Event is one input of the state machine.
type Event struct {
	Kind Kind
	At   time.Time // never before that of the event before

	Members   []Member  // of EventMembers
	ID        int       // of EventCondition
	Condition Condition // of EventCondition
	Config    Config    // of EventConfig
	Name      string    // of a command
}

// Effects is what a step has changed and what its owner must do.
type Effects struct {
	// Changed: another member is active than before, or none, or one again.
	Changed bool
	// Switch says who took over from whom; it is zero unless one did. A member
	// that becomes active again after nobody was does not take over.
	Switch Switch
	// Multiple: whether several claim to serve has changed.
	Multiple bool
	// Refused is why a command was not carried out; nothing has changed then.
	Refused *RefusedError
	// Wake is when an EventTime is due; zero for never.
	Wake time.Time
}

// Switch is one change of the active.
type Switch struct {
	// Number counts the switches; it only grows.
	Number uint64
	// From is the zero Member at the first choice of all.
	From, To Member
	// Reason is why From is not the active any more, or why To is.
	Reason report.Reason
	At     time.Time
}

// Report returns the switch in the words of its owner's events.
func (s Switch) Report() report.Switch {
	return report.Switch{Number: s.Number, From: s.From.Name, To: s.To.Name, Reason: s.Reason, At: s.At}
}

// RefusedError is why a command was refused. Nothing has changed.
type RefusedError struct {
	// Command is "switch", "pin" or "drain"; Name is whom it was about.
	Command, Name string
	// Reason is why: that for which the endpoint is not eligible,
	// report.ReasonNoStandby or report.ReasonPinned, or
	// report.ReasonNone if the name is not in the list.
	Reason report.Reason

	why string
}

// Error names the command, the endpoint and the reason, in one bounded line.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("%s %q refused: %s", e.Command, cleantext.Detail(e.Name), e.why)
	if e.Reason != report.ReasonNone {
		text += fmt.Sprintf(" (%s)", e.Reason)
	}
	return text
}
