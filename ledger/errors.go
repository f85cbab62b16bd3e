package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/status"
)

// StoppedError is the error of a stream that reopening cannot continue.
type StoppedError struct {
	// Last is the offset after which the stream must continue: everything up to it was
	// delivered.
	Last Offset
	// Cause is why the stream ended.
	Cause Cause
	// Err is the error of the server or of the program that ended it. Never nil.
	Err error
}

// Error returns the offset, the cause, the error, and what to do about it.
func (e *StoppedError) Error() string {
	return fmt.Sprintf("ledger: the stream ended after offset %s: %s: %v (%s)", e.Last.shown(), e.Cause, e.Err, e.Advice())
}

// Advice returns what the caller may do.
func (e *StoppedError) Advice() string { return advice[e.Cause] }

// Unwrap returns Err.
func (e *StoppedError) Unwrap() error { return e.Err }

// BackwardsError is the error of a stream whose offsets do not increase: it is not the
// requested stream, or its server has lost data.
type BackwardsError struct {
	// Last is the last offset that was delivered, Got the one that came after it.
	Last, Got Offset
}

// Error returns both offsets.
func (e *BackwardsError) Error() string {
	return fmt.Sprintf("ledger: the stream goes backwards: offset %s after %s "+
		"(a descending stream, another participant, or a restored database)", e.Got.shown(), e.Last.shown())
}

// RewoundError is the error of a stream when the ledger has been shorter than what was
// read of it for a minute, or was so for a while and has other updates now. Either the
// participant's database was restored from a backup, or another participant answers. What
// was read may not be on the ledger: the consumer's state must be rebuilt from a snapshot.
type RewoundError struct {
	// Last is the offset up to which the stream was read, End the end of the ledger, which
	// may have grown past it since. End is the zero Offset if the ledger is empty or the
	// node did not report it.
	Last, End Offset
	// Was and Is are the participant's IDs at the start of the stream and now; if they
	// differ, it is another participant. Empty if the node did not report them, and
	// without Options.Node.
	Was, Is string
	// Err is the last error of the server, or in what the ledger is another one.
	Err error
}

// Error returns the offsets and what may have happened.
func (e *RewoundError) Error() string {
	why := "the database was restored, or another participant answers: compare GetParticipantId"
	switch {
	case e.Was != "" && e.Is != "" && e.Was != e.Is:
		why = fmt.Sprintf("participant %.200q answers in place of %.200q", e.Is, e.Was)
	case e.Was != "" && e.Is != "":
		why = fmt.Sprintf("the database of participant %.200q was restored", e.Is)
	}
	if e.End.Compare(e.Last) >= 0 {
		return fmt.Sprintf("ledger: the ledger was shorter than offset %s for a while, and is another one now (%v): %s", e.Last.shown(), e.Err, why)
	}
	return fmt.Sprintf("ledger: the ledger ends at %s, before offset %s: %s", e.End.shown(), e.Last.shown(), why)
}

// Unwrap returns Err.
func (e *RewoundError) Unwrap() error { return e.Err }

// interruptedError is the end of a stream or submission whose context ended.
type interruptedError struct {
	what  string
	cause error // of the context
	last  error // what was met before; nil if nothing
}

func (e *interruptedError) Error() string {
	if e.last == nil {
		return fmt.Sprintf("ledger: %s: %v", e.what, e.cause)
	}
	return fmt.Sprintf("ledger: %s: %v (the last error: %v)", e.what, e.cause, e.last)
}

// Unwrap returns the error of the context, and the last one.
func (e *interruptedError) Unwrap() []error {
	if e.last == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.last}
}

// GRPCStatus returns the status of the context's error.
func (e *interruptedError) GRPCStatus() *status.Status { return status.FromContextError(e.cause) }

// interrupted makes the error of a context that ended, nil if it has not. One whose
// deadline has passed has, though its timer may be late: the server, which has the same
// deadline, can be first to say so.
func interrupted(ctx context.Context, what string, last error) error {
	cause := ctx.Err()
	if end, ok := ctx.Deadline(); cause == nil && ok && !time.Now().Before(end) {
		cause = context.DeadlineExceeded
	}
	if cause == nil {
		return nil
	}
	if own := context.Cause(ctx); own != nil && !errors.Is(own, cause) {
		cause = fmt.Errorf("%w: %w", cause, own)
	}
	return &interruptedError{what: what, cause: cause, last: last}
}
