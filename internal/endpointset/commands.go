package endpointset

import (
	"errors"
	"fmt"
	"maps"

	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// command carries out a command. When it has returned, calls see its effect.
func (s *Set) command(kind selector.Kind, name string) error {
	s.scope.Lock()
	err := ErrClosed
	if !s.scope.Closed() {
		err = s.choice.command(selector.Event{Kind: kind, Name: name}, s.policy)
	}
	s.scope.Unlock()
	if err != nil {
		return err
	}
	s.pub.Now()
	return nil
}

// command applies a command to the choice, and to what depends on the pin.
func (c *choice) command(event selector.Event, policy string) error {
	if c == nil {
		return fmt.Errorf("the policy %s picks every eligible endpoint in turn: %w", policy, errNoActive)
	}
	if err := c.choose(event); err != nil {
		return err
	}
	c.set.handover.settle() // it depends on the pin
	return nil
}

var errNoActive = errors.New("there is no active one to choose; want the policy active_passive")

// SwitchTo makes the endpoint with this name the active one. Like Pin, it is refused
// with a *selector.RefusedError if the endpoint is not eligible.
func (s *Set) SwitchTo(name string) error { return s.command(selector.EventSwitch, name) }

// Pin makes the endpoint with this name the active one, and allows no other.
func (s *Set) Pin(name string) error { return s.command(selector.EventPin, name) }

// Unpin ends the pin.
func (s *Set) Unpin() error { return s.command(selector.EventUnpin, "") }

// drain asks the choice whether an endpoint may be drained, or reports to it that the
// endpoint is back.
func (c *choice) drain(name string, drained bool) error {
	if c == nil {
		return nil
	}
	kind := selector.EventUndrain
	if drained {
		kind = selector.EventDrain
	}
	return c.choose(selector.Event{Kind: kind, Name: name})
}

func (c *choice) status() *report.FailoverStatus {
	if c == nil {
		return nil
	}
	status := c.state.Status()
	status.Reasons = maps.Clone(c.reasons)
	return &status
}
