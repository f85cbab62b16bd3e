package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// Submitter is what the submissions to one participant service have in common. Fields are set before
// the first use; then it is safe for concurrent use. It has to be used by pointer.
//
// All that it is given has to lead to the replicas of one participant: those share a store, which is
// what a participant knows duplicates by. A submission that is made again at another participant may
// be executed twice.
type Submitter struct {
	// Node is asked for the ledger end before a submission, from where its completion can be found.
	// Node.LedgerEnd is required.
	Node Node
	// Completions opens the completions. Required for requests whose reply only says that they were
	// accepted, for reassignments, and for Recover; otherwise, without it, an outcome that only
	// completions can tell is unknown.
	Completions Completions
	// UserIDRequired refuses requests without a user ID. Set it where the endpoints have tokens of
	// different users: an empty user ID means that of the token, so that the change ID would depend
	// on the endpoint.
	UserIDRequired bool
	// AttemptTimeout bounds one attempt, which is then made again. Zero means one minute.
	AttemptTimeout time.Duration
	// DropToken is as in Options. May be nil.
	DropToken func()
	// OnRetry is told before each pause that precedes another attempt. May be nil.
	OnRetry func(Retry)

	mu    sync.Mutex // guards what follows; nothing is called under it
	end   Offset     // the highest ledger end that is known
	asked time.Time  // when it was last asked for
}

// Retry is one time that a submission is made again.
type Retry struct {
	// ChangeID says what is submitted.
	ChangeID ChangeID
	// Attempt counts the attempts that were made, and Err is how the last one ended.
	Attempt int
	Err     error
	// Pause is how long is waited before the next one.
	Pause time.Duration
}

// Outcome is how a submission ended.
type Outcome struct {
	// UpdateID is the ID of the transaction or reassignment. Empty if the node does not say, as in
	// the error of a duplicate: Completions or a Fetch may know it.
	UpdateID string
	// CompletionOffset is that of the completion, the zero Offset if the node does not say.
	CompletionOffset Offset
	// Attempts counts the attempts that were made.
	Attempts int
	// Earlier tells that the command was executed by a submission that was none of this call's.
	Earlier bool
}

// ErrEarlier is the error of a submission whose command was executed before, by another submission
// with the same change ID. If that was the caller's own, as before a crash, all is well, and
// SubmitOptions.AcceptEarlier says so. If somebody has used the ID for something else, this command
// was not executed.
var ErrEarlier = errors.New("ledger: the command was executed before, by a submission that was not this call's")

// NotExecutedError is the error of a submission that was certainly not executed, and will not be.
type NotExecutedError struct {
	ChangeID ChangeID
	// Attempts counts the attempts that were made.
	Attempts int
	// Err is what the node has said last, or why there was no attempt.
	Err error
}

// Error returns the change ID and the error.
func (e *NotExecutedError) Error() string {
	return fmt.Sprintf("ledger: %s was not executed (attempts: %d): %v", e.ChangeID, e.Attempts, e.Err)
}

// Unwrap returns Err.
func (e *NotExecutedError) Unwrap() error { return e.Err }

// UnknownOutcomeError is the error of a submission of which it is not known whether it was executed,
// or may yet be. Recover finds out later. To submit the same change ID again is safe within the
// deduplication period; under a new command ID it may be executed twice.
type UnknownOutcomeError struct {
	// Pending is for Recover.
	Pending
	// Attempts counts the attempts that were made.
	Attempts int
	// Err is what was met last.
	Err error
}

// Error returns the change ID, from where to look for the completion, and the error.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("ledger: it is not known whether %s was executed (attempts: %d; its completion would come after offset %s): %v",
		e.ChangeID, e.Attempts, e.After.shown(), e.Err)
}

// Unwrap returns Err.
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// FetchError is the error of a submission that was executed, while its transaction could not be
// fetched.
type FetchError struct {
	Outcome Outcome
	// Err is the error of SubmitOptions.Fetch.
	Err error
}

// Error returns the update's ID and offset, and the error.
func (e *FetchError) Error() string {
	return fmt.Sprintf("ledger: the command was executed (update %.100q, completion offset %s), and its transaction could not be fetched: %v",
		e.Outcome.UpdateID, e.Outcome.CompletionOffset.shown(), e.Err)
}

// Unwrap returns Err.
func (e *FetchError) Unwrap() error { return e.Err }

// endHolds is for how long an answer about the ledger end serves. An older one is as right, but has
// more completions after it.
const endHolds = time.Second

// After returns an offset that is not after the ledger end: what is submitted from now on is completed
// after it. Store it, by [PendingOf], before submitting what must not be lost in a crash.
func (s *Submitter) After(ctx context.Context) (Offset, error) {
	s.mu.Lock()
	end, fresh := s.end, !s.asked.IsZero() && time.Since(s.asked) < endHolds
	s.mu.Unlock()
	if fresh {
		return end, nil
	}
	return s.ledgerEnd(ctx)
}

// ledgerEnd asks for the ledger end until there is an answer, or ctx ends.
func (s *Submitter) ledgerEnd(ctx context.Context) (Offset, error) {
	if s.Node.LedgerEnd == nil {
		return Offset{}, &RequestError{"Submitter.Node.LedgerEnd", "is nil: want a function that asks for the ledger end"}
	}
	r := newReopener(s.Node, s.DropToken, func(Reopening) {})
	for {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		end, err := s.Node.LedgerEnd(asking)
		cancel()
		if err == nil {
			s.mu.Lock()
			s.end, s.asked = end, time.Now()
			s.mu.Unlock()
			return end, nil
		}
		if err := r.again(ctx, Offset{}, err); err != nil {
			return Offset{}, err
		}
	}
}

// attemptTimeout returns how long one attempt may take.
func (s *Submitter) attemptTimeout() time.Duration {
	if s.AttemptTimeout > 0 {
		return s.AttemptTimeout
	}
	return time.Minute
}

// reading returns the options of a stream of completions.
func (s *Submitter) reading() Options[proto.Message] {
	return Options[proto.Message]{Node: Node{LedgerEnd: s.Node.LedgerEnd}, DropToken: s.DropToken}
}
