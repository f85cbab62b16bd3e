package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
)

// Fate is the outcome of a submission that Recover has found.
type Fate string

// The fates.
const (
	// Unknown means that there is no completion yet, and that there may yet be one.
	Unknown Fate = "unknown"
	// Executed means that the command was executed.
	Executed Fate = "executed"
	// Lost means that the command was not executed, and will not be.
	Lost Fate = "lost"
)

// Recovered is the result of Recover.
type Recovered struct {
	Fate Fate
	// UpdateID and CompletionOffset are those of the completion of a command that was
	// executed. The ID is empty if the command was executed before Pending.After.
	UpdateID         string
	CompletionOffset Offset
	// Rejected is the last rejection of the change ID that was read, nil if there was
	// none. The command may have been submitted again.
	Rejected error
}

// Recover determines the outcome of a submission whose outcome is not known, by
// reading the completions after Pending.After up to the ledger end. It needs
// Submitter.Completions, and the user ID in the change ID. It submits nothing.
//
// The result is Executed if there is a completion that shows it. It is Lost only if
// there is a MaxRecordTime and the ledger is past it without such a completion;
// Recover waits for the checkpoint that shows this, which may take a while. Otherwise
// it is Unknown, and the error, if any, is why no more could be read. A node reports
// the parties of a completion only as far as they were requested: a command of the
// same user with the same command ID for more parties cannot be distinguished.
func Recover(ctx context.Context, s *Submitter, p Pending) (Recovered, error) {
	r := Recovered{Fate: Unknown}
	switch {
	case s == nil || s.Completions == nil:
		return r, &RequestError{"Submitter.Completions", "is nil: want the completions"}
	case p.ChangeID.CommandID == "":
		return r, &RequestError{"ChangeID.CommandID", "is empty: want the command's ID"}
	case p.ChangeID.UserID == "":
		return r, &RequestError{"ChangeID.UserID", "is empty: want the user's ID, which completions have"}
	case len(p.ChangeID.ActAs) == 0:
		return r, &RequestError{"ChangeID.ActAs", "is empty: want the parties"}
	}
	end, err := s.ledgerEnd(ctx)
	if err != nil {
		return r, err
	}
	if p.MaxRecordTime.IsZero() && p.After.Compare(end) >= 0 {
		return r, nil
	}
	open := func(ctx context.Context, begin Offset) (Receiver[proto.Message], error) {
		return s.Completions(ctx, p.ChangeID, begin)
	}
	for u, err := range Updates(ctx, p.After, open, s.reading()) {
		if err != nil {
			return r, err
		}
		m := u.Msg.ProtoReflect()
		for _, c := range completionsIn(m, u.Offset) {
			if p.matches(c) {
				r.take(c)
			}
			if r.Fate == Executed {
				return r, nil
			}
		}
		if p.MaxRecordTime.IsZero() && u.Offset.Compare(end) >= 0 {
			return r, nil
		}
		if p.isPast(recordTimes(m)) {
			r.Fate = Lost
			return r, nil
		}
	}
	return r, errors.New("ledger: the completions have ended")
}

// take applies a completion of the change ID.
func (r *Recovered) take(c completion) {
	v := judge(c.err)
	switch {
	case c.err == nil:
		r.Fate, r.UpdateID, r.CompletionOffset = Executed, c.updateID, c.offset
	case v.duplicate: // of one that was executed
		r.Fate, r.CompletionOffset = Executed, v.offset
	default:
		r.Rejected = c.err
	}
}

// matches reports whether a completion belongs to the submission.
func (p Pending) matches(c completion) bool {
	if p.SubmissionID != "" {
		return c.submissionID == p.SubmissionID
	}
	return c.change.CommandID == p.ChangeID.CommandID && c.change.UserID == p.ChangeID.UserID && len(c.change.ActAs) > 0 &&
		!slices.ContainsFunc(c.change.ActAs, func(party string) bool { return !slices.Contains(p.ChangeID.ActAs, party) })
}

// isPast reports whether the ledger, whose times these are, no longer accepts the
// submission.
func (p Pending) isPast(times map[string]time.Time) bool {
	if p.MaxRecordTime.IsZero() || len(times) == 0 {
		return false
	}
	if own, ok := times[p.Synchronizer]; ok {
		return own.After(p.MaxRecordTime)
	}
	if p.Synchronizer != "" {
		return false
	}
	for _, t := range times {
		if !t.After(p.MaxRecordTime) {
			return false
		}
	}
	return true
}
