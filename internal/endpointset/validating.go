package endpointset

import (
	"context"
	"math/rand/v2"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/internal/wanted"
)

// identifiedLocked reports whether the validation of the connection is complete.
func (e *endpoint) identifiedLocked() bool {
	return e.set.options.Validator == nil || e.validation.Last == machine.IdentityValid
}

// validateLocked moves the validation of a connection and carries out the effects.
func (e *endpoint) validateLocked(c *conn, event machine.ValidationEvent) {
	s := e.set
	if s.options.Validator == nil || s.scope.Closed() || e.conn != c {
		return
	}
	var effects machine.ValidationEffects
	e.validation, effects = e.validation.Next(event, rand.Float64())
	if effects.Ask {
		e.validationTimer.Stop()
		e.askWhoLocked(c)
	}
	if effects.Wait > 0 {
		e.validationTimer.Arm(s.scope, effects.Wait, func() { e.validateLocked(c, machine.PauseOver) })
	}
}

// askWhoLocked runs the validator on the connection itself, once the set's lock is released.
func (e *endpoint) askWhoLocked(c *conn) {
	s, f := e.set, e.set.options.Validator
	id := wanted.Endpoint{Name: e.name, Identity: e.identity}.At(c.Address)
	c.Go(func(ctx context.Context, cc grpc.ClientConnInterface) {
		event, detail := s.validators.Ask(ctx, transport.OnConn{ClientConnInterface: cc}, f, e.name, id)
		if ctx.Err() != nil {
			return // the connection is gone
		}
		e.answeredWho(c, event, detail) //nolint:contextcheck // what follows belongs to the set
	})
}

// answeredWho applies the result of a validation.
func (e *endpoint) answeredWho(c *conn, event machine.ValidationEvent, detail string) {
	s := e.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if e.conn == c && !s.scope.Closed() {
		e.validationDetail = detail
		e.validateLocked(c, event)
		e.applyLocked()
	}
}

// forgetValidationLocked resets the validation when a connection is given up: the next
// connection has to be validated again.
func (e *endpoint) forgetValidationLocked() {
	e.validation, e.validationDetail = machine.Validation{}, ""
	e.validationTimer.Stop()
}
