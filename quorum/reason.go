package quorum

import (
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Reason is why a member does not belong to an agreement, or why an event happened.
// Its values are snake_case, never change, and hold no text of a peer.
type Reason string

// The reasons.
const (
	// ReasonDiffers: the member returned another answer than the others.
	ReasonDiffers Reason = "differs"
	// ReasonInvalid: the member returned an answer that no correct server returns, such
	// as a JSON object with a duplicate key.
	ReasonInvalid Reason = "invalid_answer"
	// ReasonError: the member's answer was an error, or it could not be asked.
	ReasonError Reason = "error"
	// ReasonNoAnswer: the member was asked and did not answer in time.
	ReasonNoAnswer Reason = "no_answer"
	// ReasonTooLarge: the member's answer was larger than allowed.
	ReasonTooLarge Reason = "too_large"
	// ReasonBehind: the member has not yet reached the position that was asked for.
	ReasonBehind Reason = "behind"
	// ReasonFork: a stream has another event at a position than the others.
	ReasonFork Reason = "fork"
	// ReasonSkipped: a stream lacks an event that the others have.
	ReasonSkipped Reason = "skipped"
	// ReasonInserted: a stream has an event that the others do not have.
	ReasonInserted Reason = "inserted"
	// ReasonDisorder: the positions of a stream do not grow.
	ReasonDisorder Reason = "out_of_order"
	// ReasonLagging: a stream is behind the others by too much.
	ReasonLagging Reason = "lagging"
	// ReasonThreshold: too few members are left that could agree.
	ReasonThreshold Reason = "threshold_unreachable"
	// ReasonByHand: the program has called ClearDissent.
	ReasonByHand Reason = "by_hand"
	// ReasonList: the list of members has changed, or was refused.
	ReasonList Reason = "list"
)

// BehindError is an answer that is older than what was asked for.
type BehindError struct {
	// Member is the member's name, At its position, and Want the position that was
	// required.
	Member, At, Want string
}

// Error names the member and both positions.
func (e *BehindError) Error() string {
	return fmt.Sprintf("member %q is behind: at %s; want %s or later",
		e.Member, cleantext.Detail(e.At), cleantext.Detail(e.Want))
}

// invalidError is an answer that no correct server returns: its member dissents.
type invalidError struct{ err error }

func (e *invalidError) Error() string { return e.err.Error() }
func (e *invalidError) Unwrap() error { return e.err }

// Invalid marks err, which an ask function returns, as an answer that no correct
// server returns. Its member counts as dissenting rather than as failed. The answer
// agrees with no other, not even with an equal one.
func Invalid(err error) error {
	if err == nil {
		return nil
	}
	return &invalidError{err: err}
}

// tooLargeError is an answer that was given up because of its size.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.limit)
}
