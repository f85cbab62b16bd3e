// Package identity asks the program whether the server at the other end of a connection is
// the expected one.
//
// # Why
//
// A validator is code of the program: it makes calls, may be slow, ignore its context, or
// panic. An [Asker] bounds all of that, and turns the result into an event of the state
// machine machine.Validation.
package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/resolver"
)

// Timeout bounds one validation.
const Timeout = 5 * time.Second

// Result is the result of a Validator. Any value but the two below means
// that the identity could not be determined.
type Result string

// The results of a Validator.
const (
	OK       Result = "ok"
	Mismatch Result = "mismatch"
)

// Validator determines whether the endpoint at the other end of a connection is the
// expected one. detail is for people. It should return when its context ends.
type Validator func(ctx context.Context, cc grpc.ClientConnInterface, e resolver.Endpoint) (result Result, detail string)

// Asker runs validators. It is safe for concurrent use.
type Asker struct {
	slots *checking.Budget // bounds how many run at once
	left  *guard.Left
}

// NewAsker returns an Asker that counts in left the validators that have not returned in
// time.
func NewAsker(left *guard.Left) *Asker {
	return &Asker{slots: checking.NewBudget(0, 0), left: left}
}

// opinion is what a validator has said.
type opinion struct {
	result Result
	detail string
}

// Ask runs the validator once. The number that run at once is bounded. A validator
// that ignores its context is left alone, and is not asked again about the endpoint
// until it returns.
func (a *Asker) Ask(ctx context.Context, cc grpc.ClientConnInterface, f Validator, name string, id resolver.Endpoint,
) (machine.ValidationEvent, string) {
	if a.slots.AcquireFirst(ctx) != nil {
		return machine.SaidRetry, ""
	}
	defer a.slots.ReleaseFirst()
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	said, err := guard.Await(ctx, a.left, fmt.Sprintf("the validator of %q", name), 1, func() (o opinion) {
		o.result, o.detail = f(ctx, cc, id)
		return o
	}, nil)
	var left *guard.LeftError
	switch {
	case errors.Is(err, guard.ErrPanicked):
		return machine.SaidRetry, "the validator has panicked"
	case errors.As(err, &left):
		return machine.SaidRetry, "the validator has not returned from an earlier call"
	case said.result == OK:
		return machine.SaidValid, ""
	case said.result == Mismatch:
		return machine.SaidMismatch, cleantext.Detail(said.detail)
	case said.detail == "" && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return machine.SaidRetry, "no answer within " + Timeout.String()
	default:
		return machine.SaidRetry, cleantext.Detail(said.detail)
	}
}
