package ledger

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/cantonerr"
)

// The ids of a node's errors about submissions.
const (
	idDuplicate            = "DUPLICATE_COMMAND"
	idInFlight             = "SUBMISSION_ALREADY_IN_FLIGHT"
	idDeduplicationPeriod  = "INVALID_DEDUPLICATION_PERIOD"
	idDuringShutdown       = "SUBMISSION_DURING_SHUTDOWN"
	idsNotConnected        = "NOT_CONNECTED_TO_"
	keyExistingSubmission  = "existing_submission_id"
	keyExistingSubmission2 = "existingSubmissionId" // as the participant itself writes it
	keyCompletionOffset    = "completion_offset"
)

// idsAfterExecution are the ids of errors of the look-up by which SubmitAndWaitForTransaction and its
// like make their reply once the command has been executed: its update does not pass the filter of the
// request, or is pruned already, or the filter names what does not exist.
var idsAfterExecution = []string{
	"UPDATE_NOT_FOUND", "TRANSACTION_NOT_FOUND", idPruned, "TEMPLATES_OR_INTERFACES_NOT_FOUND", "PACKAGE_NAMES_NOT_FOUND",
	"NO_TEMPLATES_FOR_PACKAGE_NAME_AND_QUALIFIED_NAME", "NO_INTERFACE_FOR_PACKAGE_NAME_AND_QUALIFIED_NAME",
}

// verdict is what the error of one attempt says.
type verdict struct {
	reaction // whether to try again

	// doubt reports that the command may have been executed, or may yet be, by this
	// attempt.
	doubt bool
	// duplicate means that the command has been accepted before: by the submission existing, which is
	// empty if the node does not say, with a completion at offset.
	duplicate bool
	existing  string
	offset    Offset
}

// judge decides what the error of an attempt says. It errs on the side of doubt.
func judge(err error) verdict {
	v := judgeLast(err)
	// The channel has sent the call more than once, as the program allows with its Config.Idempotent.
	// What the last endpoint says proves nothing about those before.
	var several *cantonlb.AttemptsError
	if errors.As(err, &several) && len(several.Attempts) > 1 {
		v.doubt = true
	}
	return v
}

// judgeLast decides what the error of a call says that was sent once.
func judgeLast(err error) verdict {
	said := nodeErrorOf(err)
	code := codeOf(err)
	v := verdict{reaction: reaction{cause: Cause(code.String()), delay: said.RetryDelay}}
	if said.ID != "" {
		v.cause = Cause(said.ID)
	}
	var none *cantonlb.NoEligibleError
	switch {
	case errors.As(err, &none), cantonerr.PassiveReplica(err): // not sent, or refused
		v.delay = 0
		return v
	case errors.Is(err, cantonlb.ErrShutdown): // not sent, nor will be another
		v.response = stop
		return v
	case errors.Is(err, grpc.ErrClientConnClosing): //nolint:staticcheck // grpc has no other way to detect it
		v.doubt, v.response = true, stop // grpc may have made an attempt before
		return v
	case said.ID == idDuplicate && code == codes.AlreadyExists:
		v.duplicate, v.response = true, stop
		v.existing = existingSubmission(said.Metadata)
		v.offset, _ = ParseOffset(said.Metadata[keyCompletionOffset])
		return v
	case said.ID == idInFlight: // of another attempt, which has a verdict of its own
		return v
	case slices.Contains(idsAfterExecution, said.ID): // the next attempt is a duplicate of this one
		v.doubt, v.response = true, reopenOnce
		return v
	// What follows has no ID, which a proxy may have dropped, so that it may be one of those above.
	case said.ID == "" && code == codes.AlreadyExists:
		v.doubt, v.response = true, stop
		return v
	case said.ID == "" && (code == codes.NotFound || code == codes.FailedPrecondition):
		v.doubt, v.response = true, reopenOnce
		return v
	case said.ID == idDeduplicationPeriod:
		v.response = stop
		return v
	case strings.HasPrefix(said.ID, idsNotConnected): // as during a takeover, although its category says no
		v.response = reopenWhile
		return v
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) { // our own, which is no status
		code = codes.DeadlineExceeded
	}
	switch code {
	case codes.Unavailable: // the delay is not heeded: another replica may be active already
		v.doubt, v.delay = true, 0
	case codes.Aborted:
		v.doubt = said.ID == "" || said.ID == idDuringShutdown
	case codes.DeadlineExceeded, codes.Canceled:
		v.doubt = true
	case codes.Unauthenticated:
		v.response = reopenOnce
	case codes.Unimplemented:
		v.response = reopenWhile
	case codes.ResourceExhausted: // perhaps of a reply that is too large to be read
		v.doubt, v.response = true, reopenOnce
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.OutOfRange, codes.PermissionDenied:
		if !said.Category.Retryable() {
			v.response = stop
		}
	default: // INTERNAL, UNKNOWN, DATA_LOSS, and errors that are no status
		v.doubt, v.response = true, reopenWhile
		if said.Category != 0 && !said.Category.Retryable() {
			v.response = stop
		}
	}
	return v
}

// existingSubmission returns the ID of the submission that has made another one a duplicate.
func existingSubmission(metadata map[string]string) string {
	id := metadata[keyExistingSubmission]
	if id == "" {
		id = metadata[keyExistingSubmission2]
	}
	if inner, some := strings.CutPrefix(id, "Some("); some && strings.HasSuffix(inner, ")") {
		return strings.TrimSuffix(inner, ")")
	}
	if id == "None" {
		return ""
	}
	return id
}
