package jsonapi

import (
	"context"
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/selector"
)

// Drain takes the endpoint with this name out of rotation, for maintenance. Requests in
// flight on it may finish. With ActivePassive it returns a *cantonlb.RefusedError if no
// active endpoint would be left.
func (c *Client) Drain(name string) error { return c.setDrained(name, true) }

// Undrain puts the endpoint with this name back into rotation.
func (c *Client) Undrain(name string) error { return c.setDrained(name, false) }

func (c *Client) setDrained(name string, drained bool) error {
	p := c.pool
	p.mu.Lock()
	defer p.unlock()
	if p.closed {
		return ErrClosed
	}
	for _, e := range p.list {
		if e.at.Name != name {
			continue
		}
		if e.drained == drained {
			return nil
		}
		if p.choice != nil {
			kind := selector.EventUndrain
			if drained {
				kind = selector.EventDrain
			}
			if err := p.choice.state.Choose(selector.Event{Kind: kind, Name: name}); err != nil {
				return fmt.Errorf("jsonapi: %w", err)
			}
		}
		e.drained = drained
		e.applyLocked()
		return nil
	}
	return fmt.Errorf("jsonapi: no endpoint %q in the list", cleantext.Detail(name))
}

// Switch makes the endpoint with this name the active one, as cantonlb.Client.Switch does.
func (c *Client) Switch(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("jsonapi: switch %q: %w", cleantext.Detail(name), err)
	}
	return c.command(selector.EventSwitch, name)
}

// Pin makes the endpoint with this name the active one and allows no other to be active.
func (c *Client) Pin(name string) error { return c.command(selector.EventPin, name) }

// Unpin ends the pin, if there is one.
func (c *Client) Unpin() error { return c.command(selector.EventUnpin, "") }

func (c *Client) command(kind selector.Kind, name string) error {
	p := c.pool
	p.mu.Lock()
	defer p.unlock()
	switch {
	case p.closed:
		return ErrClosed
	case p.choice == nil:
		return fmt.Errorf("jsonapi: the policy %s has no active endpoint to choose; want the policy %s", p.cfg.policy, ActivePassive)
	}
	if err := p.choice.state.Choose(selector.Event{Kind: kind, Name: name}); err != nil {
		return fmt.Errorf("jsonapi: %w", err)
	}
	return nil
}
