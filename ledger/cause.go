package ledger

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
)

// Cause is why a stream was reopened, or why it ended. The values never change, so that metrics and
// alerts may hold them.
type Cause string

// Causes for which a stream is reopened.
const (
	// EndOfStream: the server closed the stream without an error, as in a rollout.
	EndOfStream Cause = "end_of_stream"
	// Moved: the active endpoint has changed, and the stream has to follow it
	// (cantonlb.MovedError).
	Moved Cause = "moved"
	// Unavailable: UNAVAILABLE, such as of a connection that broke or a passive replica.
	Unavailable Cause = "unavailable"
	// TokenExpired: ABORTED, because the stream outlived its token.
	TokenExpired Cause = "token_expired"
	// Aborted: ABORTED with a RetryInfo, such as of an overloaded node.
	Aborted Cause = "aborted"
	// ServerCanceled: CANCELLED, and not by us: the server shuts down.
	ServerCanceled Cause = "server_canceled"
	// TimedOut: DEADLINE_EXCEEDED, while the caller's own deadline had not passed.
	TimedOut Cause = "timed_out"
	// Silent: the ledger has advanced, and the stream has not reported it.
	Silent Cause = "silent"
)

// Causes for which a stream is reopened for a while, and which then end it.
const (
	// Unauthenticated: UNAUTHENTICATED. The stream is reopened once, after a fresh token.
	Unauthenticated Cause = "unauthenticated"
	// Unimplemented: UNIMPLEMENTED, as a passive replica answers; or the method does not exist. The
	// stream is reopened as often as it takes once it has brought a message.
	Unimplemented Cause = "unimplemented"
	// AfterLedgerEnd: OFFSET_AFTER_LEDGER_END. It ends in a *RewoundError.
	AfterLedgerEnd Cause = "after_ledger_end"
	// Failed: any other error, and that of a channel that the program has closed.
	Failed Cause = "failed"
)

// Causes that end a stream at once.
const (
	// Pruned: the ledger no longer has what follows the offset.
	Pruned Cause = "pruned"
	// PermissionDenied: PERMISSION_DENIED. The token's user lacks a right.
	PermissionDenied Cause = "permission_denied"
	// InvalidRequest: INVALID_ARGUMENT. The node does not understand the request.
	InvalidRequest Cause = "invalid_request"
	// BadMessage: a message that is nil or has no offset.
	BadMessage Cause = "bad_message"
	// Misused: a mistake of the program, such as an open that returns a nil receiver.
	Misused Cause = "misused"
	// CheckpointFailed: Options.OnCheckpoint has returned an error.
	CheckpointFailed Cause = "checkpoint_failed"
)

// advice is what a caller may do about a cause that has ended a stream.
var advice = map[Cause]string{
	Unauthenticated:  "the node refuses a fresh token as well: check the token's issuer, audience and user",
	Unimplemented:    "the server has no such method: check the address and the version of the API",
	Failed:           "the error has lasted; begin again after the offset once it is gone",
	Pruned:           "take a snapshot of the active contracts at the ledger end, and follow from there",
	PermissionDenied: "grant the token's user the rights to read as the parties, then begin again after the offset",
	InvalidRequest:   "mend the request, then begin again after the offset",
	BadMessage:       "the server's API is not one that is known; set Options.Position",
	Misused:          "mend the program",
	CheckpointFailed: "begin again after the last offset that was stored",
}

// response is what is done about an error of a stream.
type response uint8

const (
	reopen      response = iota // as often as it takes
	reopenOnce                  // once in a row
	reopenWhile                 // as long as patience lasts
	stop
)

// patience is how long a stream is reopened for an error that may be permanent.
const patience = time.Minute

// reaction is what is to be done about an error.
type reaction struct {
	cause    Cause
	response response
	delay    time.Duration // what the node asks for at least
}

// errSilent is the cause with which a silent stream is cancelled.
var errSilent = errors.New("the ledger has gone on, and the stream has not told of it")

// The ids of a node's errors that say more than their codes.
const (
	idTokenExpired       = "ACCESS_TOKEN_EXPIRED"
	idStaleAuthorization = "STALE_STREAM_AUTHORIZATION"
	idAfterEnd           = "OFFSET_AFTER_LEDGER_END"
	idAfterEndOld        = "PARTICIPANT_DATA_ACCESSED_AFTER_LEDGER_END"
	idPruned             = "PARTICIPANT_PRUNED_DATA_ACCESSED"
)

// react decides what to do about the error that ended a stream whose own context had not ended.
func react(err error) reaction {
	var moved *cantonlb.MovedError
	switch {
	case err == io.EOF: //nolint:errorlint // a wrapped one may be a connection that was cut
		return reaction{cause: EndOfStream}
	case errors.Is(err, errSilent):
		return reaction{cause: Silent}
	case errors.As(err, &moved):
		return reaction{cause: Moved}
	case errors.Is(err, cantonlb.ErrShutdown), errors.Is(err, grpc.ErrClientConnClosing): //nolint:staticcheck // grpc has no other way to detect it
		return reaction{cause: Failed, response: reopenWhile} // open may use another channel next time
	}
	said := nodeErrorOf(err)
	switch said.ID {
	case idPruned:
		return reaction{cause: Pruned, response: stop}
	case idAfterEnd, idAfterEndOld:
		return reaction{cause: AfterLedgerEnd, response: reopenWhile}
	case idTokenExpired, idStaleAuthorization:
		return reaction{cause: TokenExpired}
	}
	switch codeOf(err) {
	case codes.Unavailable:
		// The delay is not heeded: another replica may be active already.
		return reaction{cause: Unavailable}
	case codes.Aborted:
		if said.RetryDelay > 0 || said.Category.Retryable() {
			return reaction{cause: Aborted, delay: said.RetryDelay}
		}
	case codes.Canceled:
		return reaction{cause: ServerCanceled}
	case codes.DeadlineExceeded:
		return reaction{cause: TimedOut}
	case codes.Unauthenticated:
		return reaction{cause: Unauthenticated, response: reopenOnce}
	case codes.Unimplemented:
		return reaction{cause: Unimplemented, response: reopenWhile}
	case codes.PermissionDenied:
		return reaction{cause: PermissionDenied, response: stop}
	case codes.InvalidArgument:
		return reaction{cause: InvalidRequest, response: stop}
	default:
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return reaction{cause: TimedOut}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // of a connection that is no gRPC channel
		return reaction{cause: Unavailable}
	}
	return reaction{cause: Failed, response: reopenWhile, delay: said.RetryDelay}
}
