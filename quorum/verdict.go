package quorum

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Outcome is what became of the question to one member.
type Outcome string

// The outcomes.
const (
	// OutcomeAgreed: it gave the answer that the read returned. Without an agreement:
	// the answer that most members gave.
	OutcomeAgreed Outcome = "agreed"
	// OutcomeDissenting: it gave another answer, or an invalid one.
	OutcomeDissenting Outcome = "dissenting"
	// OutcomeFailed: it had no answer.
	OutcomeFailed Outcome = "failed"
	// OutcomePending: it had not answered when the read ended.
	OutcomePending Outcome = "pending"
	// OutcomeNotAsked: it was not needed.
	OutcomeNotAsked Outcome = "not_asked"
)

// Freshness says what is known of how new an answer is.
type Freshness string

// The kinds of freshness.
const (
	// FreshnessStalePossible: at least one honest member said it, now or at some time:
	// f + 1 equal answers do not prove that nothing newer exists.
	FreshnessStalePossible Freshness = "stale_possible"
	// FreshnessAtPosition: it holds at the position that was asked for, or later.
	FreshnessAtPosition Freshness = "at_position"
)

// Answer is what one member said.
type Answer struct {
	Member  string
	Outcome Outcome
	// Reason is why it is not among those that agreed; empty for one that is.
	Reason Reason
	// Detail is the text of an error: one line of at most 200 bytes, in words that may
	// be the member's.
	Detail string
	// Err is the error itself, nil if there was none.
	Err error
	// Took is how long the answer took; 0 if none came.
	Took time.Duration
}

// Verdict says how a read came to its answer.
type Verdict struct {
	// Agree is how many had to agree, and Of how many members there are.
	Agree, Of int
	// Answers has one element for each member, in the order in which they were asked.
	// After AskAgain it is the last round's.
	Answers []Answer
	// Asked is how many requests were made, in all rounds, and Rounds how many rounds.
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

// NoQuorumError is a read on which not enough members agreed, or a stream that cannot
// go on. It is a gRPC status: UNAVAILABLE, or that of the context which ended the
// wait, whose error it wraps.
type NoQuorumError struct {
	Verdict Verdict

	cause error // of the context; nil if no agreement was possible
}

// Error names those that agreed, that differed and that failed, with their reasons, in
// one line of bounded length.
func (e *NoQuorumError) Error() string {
	const most = 8
	var b strings.Builder
	v := e.Verdict
	fmt.Fprintf(&b, "no quorum: %d of %d members agree, want %d", len(v.Names(OutcomeAgreed)), v.Of, v.Agree)
	if e.cause != nil {
		fmt.Fprintf(&b, " (%v)", e.cause)
	}
	shown := 0
	for _, a := range v.Answers {
		if a.Outcome == OutcomeNotAsked {
			continue
		}
		if shown++; shown > most {
			fmt.Fprintf(&b, "; and %d more", len(v.Answers)-most)
			break
		}
		fmt.Fprintf(&b, "; %q %s", a.Member, a.Outcome)
		if a.Reason != "" {
			fmt.Fprintf(&b, " (%s)", a.Reason)
		}
		if a.Detail != "" {
			b.WriteString(": " + a.Detail)
		}
	}
	return b.String()
}

// GRPCStatus makes the error a gRPC status.
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
