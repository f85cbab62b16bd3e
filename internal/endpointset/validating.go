package endpointset

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

// validateTimeout bounds one validation.
const validateTimeout = 5 * time.Second

// ValidationResult is the result of a Validator. Any value but the two below means
// that the identity could not be determined.
type ValidationResult string

// The results of a Validator.
const (
	ValidationOK       ValidationResult = "ok"
	ValidationMismatch ValidationResult = "mismatch"
)

// Validator determines whether the endpoint at the other end of a connection is the
// expected one. detail is for people. It should return when its context ends.
type Validator func(ctx context.Context, cc grpc.ClientConnInterface, e resolver.Endpoint) (result ValidationResult, detail string)

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
	c.Go(func(ctx context.Context, cc grpc.ClientConnInterface) {
		event, detail := s.askWho(ctx, transport.OnConn{ClientConnInterface: cc}, f, e.name, e.want.At(c.Address))
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

// opinion is what a validator has said.
type opinion struct {
	result ValidationResult
	detail string
}

// askWho runs the validator once. The number that run at once is bounded. A validator
// that ignores its context is left alone, and is not asked again about the endpoint
// until it returns.
func (s *Set) askWho(ctx context.Context, cc grpc.ClientConnInterface, f Validator, name string, id resolver.Endpoint,
) (machine.ValidationEvent, string) {
	if s.questions.AcquireFirst(ctx) != nil {
		return machine.SaidRetry, ""
	}
	defer s.questions.ReleaseFirst()
	ctx, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	said, err := guard.Await(ctx, &s.left, fmt.Sprintf("the validator of %q", name), 1, func() (o opinion) {
		o.result, o.detail = f(ctx, cc, id)
		return o
	}, nil)
	var left *guard.LeftError
	switch {
	case errors.Is(err, guard.ErrPanicked):
		return machine.SaidRetry, "the validator has panicked"
	case errors.As(err, &left):
		return machine.SaidRetry, "the validator has not returned from an earlier call"
	case said.result == ValidationOK:
		return machine.SaidValid, ""
	case said.result == ValidationMismatch:
		return machine.SaidMismatch, cleantext.Detail(said.detail)
	case said.detail == "" && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return machine.SaidRetry, "no answer within " + validateTimeout.String()
	default:
		return machine.SaidRetry, cleantext.Detail(said.detail)
	}
}

// forgetValidationLocked resets the validation when a connection is given up: the next
// connection has to be validated again.
func (e *endpoint) forgetValidationLocked() {
	e.validation, e.validationDetail = machine.Validation{}, ""
	e.validationTimer.Stop()
}
