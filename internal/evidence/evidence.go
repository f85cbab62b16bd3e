package evidence

import "google.golang.org/grpc/codes"

// End is how a call ended.
type End struct {
	// Code is the code that grpc reports.
	Code codes.Code
	// Sent says that part of the call may have reached the server, and Answered that
	// the server has sent headers or trailers.
	Sent, Answered bool
	// Local says that the failure arose in this process.
	Local bool
	// Stream says that the call is a stream, or may be one.
	Stream bool
	// Short says that the call's deadline left less time than the endpoint usually
	// needs, while the endpoint answers other calls.
	Short bool
	// Stalled says that this process was stopped, or had to wait for a processor, when
	// the call's deadline passed: an answer may be there unread.
	Stalled bool
	// Late says that the client canceled the call because it took too long: a later
	// attempt was answered first, or the attempt timeout passed. The endpoint has not
	// answered any call for a while either.
	Late bool
	// Token says that the call carried a token of the endpoint's own.
	Token bool
}

// Reason says why a call is evidence against its endpoint, or why it is not.
type Reason string

// The reasons of calls that are evidence against their endpoint.
const (
	// Unavailable means that the server answered UNAVAILABLE, or that its connection
	// was lost or refused the call.
	Unavailable Reason = "unavailable"
	// NoAnswerInTime means that the call was not answered before its deadline, which
	// left enough time.
	NoAnswerInTime Reason = "no_answer_in_time"
	// Reset means that the server or a proxy reset the call and did not answer it.
	Reset Reason = "reset"
	// TokenRejected means that the server rejected the endpoint's own token.
	TokenRejected Reason = "token_rejected"
	// TookTooLong means that the client canceled the attempt because it took too long:
	// a later attempt was answered first, or the attempt timeout passed.
	TookTooLong Reason = "took_too_long"
)

// The reasons of calls that are no evidence.
const (
	// Succeeded means that the call was successful.
	Succeeded Reason = "succeeded"
	// NotSent means that nothing of the call was sent: its credentials failed, its
	// metadata is too large, or no stream was free before its deadline.
	NotSent Reason = "not_sent"
	// FailedHere means that the failure arose in this process after the call was
	// begun: a request that cannot be encoded, or that exceeds the limit.
	FailedHere Reason = "failed_here"
	// CallCanceled means that the caller gave up.
	CallCanceled Reason = "call_canceled"
	// StreamDeadline means that the deadline of a stream passed that the server had
	// answered, as it does for a long poll.
	StreamDeadline Reason = "stream_deadline"
	// ShortDeadline means that the deadline left less time than the endpoint usually
	// needs, while the endpoint answers other calls.
	ShortDeadline Reason = "short_deadline"
	// ClientStalled means that this process did not run when the deadline passed, so that
	// an answer may be there unread.
	ClientStalled Reason = "client_stalled"
	// ErrorOfTheCall means that the error is about the call: the server works.
	ErrorOfTheCall Reason = "error_of_the_call"
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		Unavailable, NoAnswerInTime, Reset, TokenRejected, TookTooLong,
		Succeeded, NotSent, FailedHere, CallCanceled, StreamDeadline, ShortDeadline, ClientStalled, ErrorOfTheCall,
	}
}

// Counts reports whether a call that ended for this reason is evidence against its
// endpoint.
func (r Reason) Counts() bool {
	switch r {
	case Unavailable, NoAnswerInTime, Reset, TokenRejected, TookTooLong:
		return true
	default:
		return false
	}
}

// Judge returns whether the end of a call is evidence against its endpoint, as a
// reason.
func Judge(e End) Reason {
	switch {
	case e.Code == codes.OK:
		return Succeeded
	case !e.Sent && !e.Answered:
		return NotSent
	case e.Code == codes.Canceled && e.Late:
		return TookTooLong
	case e.Code == codes.Canceled:
		return CallCanceled
	case e.Code == codes.DeadlineExceeded:
		return judgeDeadline(e)
	case e.Local:
		return FailedHere
	case e.Code == codes.Unavailable:
		return Unavailable
	case e.Code == codes.Unauthenticated && e.Answered && e.Token:
		return TokenRejected
	case !e.Answered && (e.Code == codes.Internal || e.Code == codes.Unknown):
		return Reset
	default:
		return ErrorOfTheCall
	}
}

// judgeDeadline judges a call that ended with DEADLINE_EXCEEDED. A server that heeds
// the caller's deadline reports it at about the time at which it passes here, so it
// does not matter which of the two was first.
func judgeDeadline(e End) Reason {
	switch {
	case e.Stream && e.Answered:
		return StreamDeadline
	case e.Stalled:
		return ClientStalled
	case e.Short:
		return ShortDeadline
	default:
		return NoAnswerInTime
	}
}
