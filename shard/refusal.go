package shard

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/report"
)

// refusal is an error of this package with its gRPC status.
type refusal struct {
	error

	code codes.Code
}

// Unwrap returns the error.
func (e *refusal) Unwrap() error { return e.error }

// GRPCStatus returns the error as a gRPC status.
func (e *refusal) GRPCStatus() *status.Status { return status.New(e.code, e.Error()) }

// refuse adds the status to an error that has one. Other errors, and nil, stay as they are.
func refuse(err error) error {
	if reason, code := classify(err); reason != report.ReasonOther {
		return &refusal{error: err, code: code}
	}
	return err
}

// classify returns the reason and the code of an error; those of one that is not of this
// package, or that has its status already, are ReasonOther and that status.
func classify(err error) (report.Reason, codes.Code) {
	switch e := err.(type) { //nolint:errorlint // the outermost error counts
	case *NowhereError:
		if e.Definite() {
			return report.ReasonShardNowhere, codes.NotFound
		}
		return report.ReasonShardNotKnown, codes.Unavailable
	case *AmbiguousError:
		return report.ReasonShardAmbiguous, codes.FailedPrecondition
	case *SplitError:
		if len(e.Unknown) > 0 {
			return report.ReasonShardNotKnown, codes.Unavailable
		}
		return report.ReasonShardSplit, codes.FailedPrecondition
	case *UndecidedError:
		return report.ReasonShardUnsettled, codes.Unavailable
	case *MovedError:
		return report.ReasonShardMoved, codes.FailedPrecondition
	case *UnroutedError:
		return report.ReasonShardUnrouted, codes.FailedPrecondition
	case *UnknownShardError:
		return report.ReasonShardUnknown, codes.FailedPrecondition
	case *RequestError:
		return report.ReasonShardUnreadable, codes.InvalidArgument
	case *ClientError:
		return report.ReasonShardNoClient, codes.FailedPrecondition
	case *IdentityError:
		return report.ReasonShardDistrusted, codes.Unavailable
	case *endedError:
		if errors.Is(e.cause, context.DeadlineExceeded) {
			return report.ReasonShardTimeout, codes.DeadlineExceeded
		}
		return report.ReasonShardTimeout, codes.Canceled
	}
	if err == ErrClosed { //nolint:errorlint // as above
		return report.ReasonShardClosed, codes.Canceled
	}
	return report.ReasonOther, status.Code(err)
}

// reasonOf returns the reason of an error, also of one that has its status already.
func reasonOf(err error) report.Reason {
	if r, ok := err.(*refusal); ok { //nolint:errorlint // as above
		err = r.error
	}
	reason, _ := classify(err)
	return reason
}

// endedError is the error of a request whose context has ended during a look-up.
type endedError struct {
	cause, why error // why it waited; nil if nothing was wrong
}

func (e *endedError) Error() string {
	text := "shard: " + e.cause.Error() + " while looking up the shard"
	if e.why != nil {
		text += ": " + strings.TrimPrefix(e.why.Error(), "shard: ")
	}
	return text
}

func (e *endedError) Unwrap() []error {
	if e.why == nil {
		return []error{e.cause}
	}
	return []error{e.cause, e.why}
}
