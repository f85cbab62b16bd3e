package selector

import (
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/report"
)

// FailBack says whether the active member is replaced once a preferred one is
// eligible again.
type FailBack string

// The values of FailBack.
const (
	// FailBackNever keeps the active member while it is eligible. It is the default.
	FailBackNever FailBack = "never"
	// FailBackAfterHold replaces the active member by a preferred one that has been
	// eligible for its hold-down.
	FailBackAfterHold FailBack = "afterHold"
)

// DefaultHoldDown is the default of Config.HoldDown.
const DefaultHoldDown = 10 * time.Second

// Patience is how long the choice waits for an undecided member: for the active one
// while it reconnects, and at the very first choice for a member that is better
// than those that can be chosen.
const Patience = time.Second

// Config holds the settings of the choice. Its zero value means FailBackNever.
type Config struct {
	FailBack FailBack
	// HoldDown is how long a member must have been eligible before a fail-back to
	// it, and before it counts as steady after a relapse.
	HoldDown time.Duration
}

// Member is one of the members to choose from.
type Member struct {
	// ID identifies the member. It is not 0, and is never reused for another member.
	ID int
	// Name is the name in commands and reports. A member that replaces another one
	// has the same name.
	Name string
	// Priority ranks the member: a lower number is preferred. Members of equal
	// priority are preferred in the order of the list.
	Priority int
	// Leaving means that the member is no longer in the list, and serves until its
	// successors can.
	Leaving bool
	// Drained means that the member is drained when it joins. After that, only
	// commands change it.
	Drained bool
}

// Standing says whether a member can serve.
type Standing uint8

// The standings of a member, from worst to best.
const (
	// Out means that the member cannot serve now.
	Out Standing = iota
	// Undecided means that the member is not ready yet, without evidence against it.
	Undecided
	// Suspect means that the member can serve, but there is evidence against it.
	Suspect
	// Fit means that the member can serve.
	Fit
)

// Condition is the standing of a member, and the reason for it.
type Condition struct {
	Standing Standing
	Reason   report.Reason
	// Claims means that the member itself claims to serve. Being connected is not
	// enough.
	Claims bool
}

// ConditionOf returns the condition of a member with this judgement. Whether the member is
// drained is not in it: the state knows that.
func ConditionOf(j judge.Judgement) Condition {
	return Condition{Standing: standings[j.Standing], Reason: j.Reason, Claims: j.Memory.Claims}
}

var standings = [...]Standing{judge.Unfit: Out, judge.Open: Undecided, judge.Suspect: Suspect, judge.Fit: Fit}

// Kind says what an Event is.
type Kind uint8

// The kinds of events. Those from EventSwitch on are commands, which may be
// refused.
const (
	// EventTime means that a Wake is due.
	EventTime Kind = iota
	// EventMembers replaces the members. Members that stay keep their condition.
	EventMembers
	// EventCondition changes the condition of the member ID.
	EventCondition
	// EventConfig changes the configuration.
	EventConfig
	// EventSwitch makes the member with the name active.
	EventSwitch
	// EventPin makes it active, and keeps all others from becoming active.
	EventPin
	// EventUnpin removes the pin.
	EventUnpin
	// EventDrain takes the member out of the choice, for maintenance.
	EventDrain
	// EventUndrain ends the drain.
	EventUndrain
)

// Event is one input of the state machine.
type Event struct {
	Kind Kind
	At   time.Time // never before that of the previous event

	Members   []Member  // of EventMembers
	ID        int       // of EventCondition
	Condition Condition // of EventCondition
	Config    Config    // of EventConfig
	Name      string    // of a command
}

// Effects says what a step has changed and what its owner must do.
type Effects struct {
	// Changed says that the active member has changed, including to or from none.
	Changed bool
	// Switch is the switch that happened; it is zero if there was none. It is not a
	// switch if the member that was active last becomes active again.
	Switch Switch
	// Multiple says that it has changed whether several members claim to serve.
	Multiple bool
	// Refused says why a command was refused; nothing has changed then.
	Refused *RefusedError
	// Wake is when an EventTime is due; zero means never.
	Wake time.Time
}

// Switch is one change of the active member.
type Switch struct {
	// Number counts the switches and only grows.
	Number uint64
	// From is the zero Member at the very first choice.
	From, To Member
	// Reason says why From is no longer active, or why To is.
	Reason report.Reason
	At     time.Time
}

// Report returns the switch as its owner's events show it.
func (s Switch) Report() report.Switch {
	return report.Switch{Number: s.Number, From: s.From.Name, To: s.To.Name, Reason: s.Reason, At: s.At}
}

// RefusedError reports why a command was refused. Nothing has changed.
type RefusedError struct {
	// Command is "switch", "pin" or "drain". Name is the endpoint that the command
	// named.
	Command, Name string
	// Reason says why: the reason for which the endpoint is not eligible,
	// report.ReasonNoStandby or report.ReasonPinned, or report.ReasonNone if the
	// name is not in the list.
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
