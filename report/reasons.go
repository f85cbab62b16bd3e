package report

import "slices"

// ReasonOther replaces a reason that is not one of this package's constants wherever a
// bounded set is needed: in metric labels and in counts. A probe that the program
// supplies may return such a reason.
const ReasonOther Reason = "other"

// reasons lists all reasons. docs/reasons.md explains each of them, as a test checks.
var reasons = []Reason{
	ReasonNone,
	ReasonServing,
	ReasonNotServing,
	ReasonStatusUnknown,
	ReasonUnknownService,
	ReasonUnimplemented,
	ReasonProbeTimeout,
	ReasonProbeError,
	ReasonProbeDenied,
	ReasonCredentialsFailed,
	ReasonConnectFailed,
	ReasonHandshakeFailed,
	ReasonNoStream,
	ReasonBusy,
	ReasonClientStalled,
	ReasonCanceled,
	ReasonConnected,
	ReasonConnectionLost,
	ReasonSilence,
	ReasonCallsFailing,
	ReasonCallsDenied,
	ReasonDrained,
	ReasonPassiveReplica,
	ReasonIdentityMismatch,
	ReasonNotValidated,
	ReasonValidating,
	ReasonChannelHealth,
	ReasonLagging,
	ReasonNoneEligible,
	ReasonUndecided,
	ReasonFirstChoice,
	ReasonFailBack,
	ReasonByHand,
	ReasonPinned,
	ReasonLeftList,
	ReasonNoStandby,
	ReasonMultipleActive,
	ReasonReported,
	ReasonLeaseFree,
	ReasonLeaseExpired,
	ReasonLeaseOwn,
	ReasonLeaseNotRenewed,
	ReasonLeaseTaken,
	ReasonLeaseWorkReturned,
	ReasonLeaseStopped,
	ReasonLeaseYielded,
	ReasonLeaseTokenWentBack,
	ReasonLeaseLate,
	ReasonLeaseStoreError,
	ReasonShardNowhere,
	ReasonShardNotKnown,
	ReasonShardAmbiguous,
	ReasonShardSplit,
	ReasonShardUnsettled,
	ReasonShardMoved,
	ReasonShardUnrouted,
	ReasonShardUnknown,
	ReasonShardNoClient,
	ReasonShardDistrusted,
	ReasonShardUnreadable,
	ReasonShardTimeout,
	ReasonShardClosed,
	ReasonOther,
}

// Reasons returns every reason, ReasonNone included.
func Reasons() []Reason { return slices.Clone(reasons) }

// Bounded returns the reason itself if it is one of Reasons, and ReasonOther if not: a
// probe that the program supplies may return any text.
func (r Reason) Bounded() Reason {
	if slices.Contains(reasons, r) {
		return r
	}
	return ReasonOther
}
