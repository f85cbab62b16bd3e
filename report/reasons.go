package report

import "slices"

// ReasonOther stands for a reason that is none of this package's, as a probe of
// the program may return one, wherever a bounded set is needed: in metric labels
// and in counts.
const ReasonOther Reason = "other"

// reasons are all reasons. docs/reasons.md explains each; a test compares.
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
	ReasonConnectFailed,
	ReasonHandshakeFailed,
	ReasonNoStream,
	ReasonBusy,
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
	ReasonFirstChoice,
	ReasonFailBack,
	ReasonByHand,
	ReasonPinned,
	ReasonLeftList,
	ReasonNoStandby,
	ReasonMultipleActive,
	ReasonReported,
	ReasonOther,
}

// Reasons returns every reason, ReasonNone included.
func Reasons() []Reason { return slices.Clone(reasons) }

// Bounded returns the reason itself if it is one of Reasons, and ReasonOther if not:
// a probe of the program may return any text.
func (r Reason) Bounded() Reason {
	if slices.Contains(reasons, r) {
		return r
	}
	return ReasonOther
}
