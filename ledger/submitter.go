package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// Submitter holds the settings of submissions to one participant service. Its fields
// are set before the first use; it is then safe for concurrent use. It must not be
// copied.
//
// All of its functions must lead to the replicas of one participant. Those share a
// store, by which a participant detects duplicates. A submission that is retried at
// another participant may be executed twice.
type Submitter struct {
	// Node is used to read the ledger end before a submission: the completion comes
	// after it. Node.LedgerEnd is required.
	Node Node
	// Completions opens the completions. It is required for requests whose reply only
	// says that they were accepted, for reassignments, and for Recover. Otherwise an
	// outcome that only completions can show is unknown without it.
	Completions Completions
	// UserIDRequired refuses requests without a user ID. Set it if the endpoints have
	// tokens of different users: an empty user ID means the user of the token, so that
	// the change ID would depend on the endpoint.
	UserIDRequired bool
	// AttemptTimeout bounds one attempt, which is then retried. At least 1 ms; zero means
	// one minute.
	AttemptTimeout time.Duration
	// DropToken is as in Options. May be nil.
	DropToken func()
	// OnRetry is called before each pause that precedes another attempt, which waits for
	// it, so it must be quick. May be nil.
	OnRetry func(Retry)

	mu    sync.Mutex // guards what follows; nothing is called under it
	end   Offset     // the highest ledger end that is known
	asked time.Time  // when it was last asked for
}

// Retry describes a retry of a submission.
type Retry struct {
	// ChangeID identifies the submission.
	ChangeID ChangeID
	// Attempt counts the attempts so far, and Err is the error of the last one.
	Attempt int
	Err     error
	// Pause is the time before the next attempt.
	Pause time.Duration
}

// Outcome is the outcome of a submission.
type Outcome struct {
	// UpdateID is the ID of the transaction or reassignment. It is empty if the node
	// does not report it, as in the error of a duplicate; Completions or a Fetch may
	// then provide it.
	UpdateID string
	// CompletionOffset is the offset of the completion; the zero Offset if the node
	// does not report it.
	CompletionOffset Offset
	// Attempts counts the attempts.
	Attempts int
	// Earlier reports that the command was executed by another submission than those of
	// this call.
	Earlier bool
}

// ErrEarlier is the error of a submission whose command was executed before, by
// another submission with the same change ID. If that was the caller's own, for
// example before a crash, set SubmitOptions.AcceptEarlier to accept it. If another
// program has used the ID for a different command, this command was not executed.
var ErrEarlier = errors.New("ledger: the command was executed before, by a submission that was not this call's")

// NotExecutedError is the error of a submission that was not executed, and will not
// be.
type NotExecutedError struct {
	ChangeID ChangeID
	// Attempts counts the attempts.
	Attempts int
	// Err is the last error of the node, or why there was no attempt.
	Err error
}

// Error returns the change ID and the error.
func (e *NotExecutedError) Error() string {
	return fmt.Sprintf("ledger: %s was not executed (attempts: %d): %v", e.ChangeID, e.Attempts, e.Err)
}

// Unwrap returns Err.
func (e *NotExecutedError) Unwrap() error { return e.Err }

// UnknownOutcomeError is the error of a submission that may have been executed, or may
// yet be. Recover determines the outcome later. It is safe to submit the same change
// ID again within the deduplication period; under a new command ID the command may be
// executed twice.
type UnknownOutcomeError struct {
	// Pending is the argument for Recover.
	Pending
	// Attempts counts the attempts.
	Attempts int
	// Err is the last error.
	Err error
}

// Error returns the change ID, the offset after which to look for the completion, and
// the error.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("ledger: it is not known whether %s was executed (attempts: %d; its completion would come after offset %s): %v",
		e.ChangeID, e.Attempts, e.After.shown(), e.Err)
}

// Unwrap returns Err.
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// FetchError is the error of a submission that was executed, but whose transaction
// could not be fetched.
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

// endHolds is how long a ledger end is reused. An older one is equally correct, but
// has more completions after it.
const endHolds = time.Second

// After returns an offset that is not after the ledger end: the completion of a later
// submission comes after it. Store it, with [PendingOf], before a submission whose
// outcome must survive a crash.
func (s *Submitter) After(ctx context.Context) (Offset, error) {
	s.mu.Lock()
	end, fresh := s.end, !s.asked.IsZero() && time.Since(s.asked) < endHolds
	s.mu.Unlock()
	if fresh {
		return end, nil
	}
	return s.ledgerEnd(ctx)
}

// ledgerEnd reads the ledger end, and repeats that until there is an answer or ctx
// ends.
func (s *Submitter) ledgerEnd(ctx context.Context) (Offset, error) {
	if s.Node.LedgerEnd == nil {
		return Offset{}, &RequestError{"Submitter.Node.LedgerEnd", "is nil: want a function that asks for the ledger end"}
	}
	r := newReopener(s.Node, s.DropToken, func(Reopening) {})
	for {
		end, err := r.ledgerEnd(ctx)
		if err == nil {
			s.mu.Lock()
			s.end, s.asked = end, time.Now()
			s.mu.Unlock()
			return end, nil
		}
		if err := r.again(ctx, Offset{}, err); err != nil {
			return Offset{}, fmt.Errorf("ledger: the ledger end cannot be read: %w", err)
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
	return Options[proto.Message]{Node: Node{LedgerEnd: s.Node.LedgerEnd, Ready: s.Node.Ready}, DropToken: s.DropToken}
}
