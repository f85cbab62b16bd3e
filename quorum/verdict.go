package quorum

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Outcome is the result of the request to one member.
type Outcome string

// The outcomes.
const (
	// OutcomeAgreed: the member returned the answer that the read returned. Without an
	// agreement: the answer that most members returned.
	OutcomeAgreed Outcome = "agreed"
	// OutcomeDissenting: the member returned another answer, or an invalid one.
	OutcomeDissenting Outcome = "dissenting"
	// OutcomeFailed: the member returned no answer.
	OutcomeFailed Outcome = "failed"
	// OutcomePending: the member had not answered when the read ended.
	OutcomePending Outcome = "pending"
	// OutcomeNotAsked: the member was not needed.
	OutcomeNotAsked Outcome = "not_asked"
)

// Freshness is what is known of how new an answer is.
type Freshness string

// The kinds of freshness.
const (
	// FreshnessStalePossible: at least one honest member returned the answer, now or at
	// an earlier time: f + 1 equal answers do not prove that nothing newer exists.
	FreshnessStalePossible Freshness = "stale_possible"
	// FreshnessAtPosition: the answer holds at the requested position, or later.
	FreshnessAtPosition Freshness = "at_position"
)

// Answer is the answer of one member.
type Answer struct {
	Member  string
	Outcome Outcome
	// Reason is why the member is not among those that agreed; empty if it is.
	Reason Reason
	// Detail is the text of an error: one line of at most 200 bytes, which may contain
	// text of the member.
	Detail string
	// Err is the error itself, nil if there was none.
	Err error
	// Took is how long the answer took; 0 if none came.
	Took time.Duration
}

// Verdict describes how a read reached its answer.
type Verdict struct {
	// Agree is how many members had to agree, and Of how many members there are.
	Agree, Of int
	// Answers has one element for each member, in the order in which they were asked.
	// After AskAgain it is the last round's.
	Answers []Answer
	// Asked is the number of requests in all rounds, and Rounds the number of rounds.
	Asked, Rounds int
	Freshness     Freshness
	Took          time.Duration
}

// Names returns the names of the members with an outcome.
func (v Verdict) Names(o Outcome) []string {
	var names []string
	for _, a := range v.Answers {
		if a.Outcome == o {
			names = append(names, a.Member)
		}
	}
	return names
}

// NoQuorumError is the error of a read on which not enough members agreed, or of a
// stream that cannot continue. Its gRPC status is UNAVAILABLE, or that of the context
// which ended the wait, whose error it wraps.
type NoQuorumError struct {
	Verdict Verdict

	cause error // of the context; nil if no agreement was possible
}

// Error returns the members that agreed, that differed and that failed, with their
// reasons, in one line of bounded length.
func (e *NoQuorumError) Error() string {
	const most = 8
	var b strings.Builder
	v := e.Verdict
	fmt.Fprintf(&b, "no quorum: %d of %d members agree, want %d", len(v.Names(OutcomeAgreed)), v.Of, v.Agree)
	if e.cause != nil {
		fmt.Fprintf(&b, " (%v)", e.cause)
	}
	asked := 0
	for _, a := range v.Answers {
		if a.Outcome == OutcomeNotAsked {
			continue
		}
		if asked++; asked > most {
			continue
		}
		fmt.Fprintf(&b, "; %q %s", a.Member, a.Outcome)
		if a.Reason != "" {
			fmt.Fprintf(&b, " (%s)", a.Reason)
		}
		if a.Detail != "" {
			b.WriteString(": " + a.Detail)
		}
	}
	if asked > most {
		fmt.Fprintf(&b, "; and %d more", asked-most)
	}
	return b.String()
}

// GRPCStatus returns the error as a gRPC status.
func (e *NoQuorumError) GRPCStatus() *status.Status {
	code := codes.Unavailable
	if e.cause != nil {
		code = status.FromContextError(e.cause).Code()
	}
	return status.New(code, e.Error())
}

// Unwrap returns the error of the context that ended the read, nil if none did.
func (e *NoQuorumError) Unwrap() error { return e.cause }

// detailOf returns the text of an error, fit to be shown.
func detailOf(err error) string {
	if err == nil {
		return ""
	}
	return cleantext.Detail(err.Error())
}
