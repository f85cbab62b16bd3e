package endpointset

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/selector"
)

// command carries out a command. When it has returned, calls find what it has
// changed.
func (s *Set) command(kind selector.Kind, name string) error {
	if err := s.commandNow(kind, name); err != nil {
		return err
	}
	s.publish()
	return nil
}

func (s *Set) commandNow(kind selector.Kind, name string) error {
	s.mu.Lock()
	defer s.unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.choice == nil:
		return fmt.Errorf("the policy %s picks every eligible endpoint in turn: %w", s.policy, errNoActive)
	}
	return s.chooseLocked(selector.Event{Kind: kind, Name: name})
}

var errNoActive = errors.New("there is no active one to choose; want the policy active_passive")

// SwitchTo makes the endpoint with this name the active. Like Pin it is refused,
// with a *selector.RefusedError, if the endpoint is not eligible.
func (s *Set) SwitchTo(name string) error { return s.command(selector.EventSwitch, name) }

// Pin makes the endpoint with this name the active, and lets no other be.
func (s *Set) Pin(name string) error { return s.command(selector.EventPin, name) }

// Unpin ends the pin.
func (s *Set) Unpin() error { return s.command(selector.EventUnpin, "") }

// drainLocked asks the choice whether an endpoint can be spared, or tells it that
// it is back.
func (s *Set) drainLocked(name string, drained bool) error {
	if s.choice == nil {
		return nil
	}
	kind := selector.EventUndrain
	if drained {
		kind = selector.EventDrain
	}
	return s.chooseLocked(selector.Event{Kind: kind, Name: name})
}

// FailoverStatus tells of the active of a set that picks one endpoint at a time.
type FailoverStatus struct {
	// Active is its name, "" if nobody is; Since is since when that is so.
	Active string
	Since  time.Time
	// Lost is why nobody is active; healthcheck.ReasonNone if somebody is.
	Lost healthcheck.Reason
	// Last is who was active last, who may be so still; "" before the first choice.
	Last string
	// Switches counts the switches so far, and Reasons those for each reason, which
	// is one of healthcheck.Reasons.
	Switches uint64
	Reasons  map[healthcheck.Reason]uint64
	// Pinned is the name that the active is pinned to, "" for none.
	Pinned string
	// Multiple are the names of those who say that they serve, if that is more
	// than one.
	Multiple []string
}

func (s *Set) failoverLocked() *FailoverStatus {
	if s.choice == nil {
		return nil
	}
	state := s.choice.state
	active, _ := state.Active()
	return &FailoverStatus{
		Active: active.Name, Since: state.Since(), Lost: state.Lost(), Last: state.Last().Name,
		Switches: state.Number(), Reasons: maps.Clone(s.choice.reasons),
		Pinned: state.Pinned(), Multiple: state.Multiple(),
	}
}
