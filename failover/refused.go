package failover

import "github.com/cantonlb/cantonlb/internal/selector"

// FailBack says whether the active gives way to a preferred member.
type FailBack = selector.FailBack

// The values of FailBack.
const (
	// FailBackNever: the active stays while it is eligible. The default.
	FailBackNever = selector.FailBackNever
	// FailBackAfterHold: it gives way to a preferred one that has been eligible
	// for its hold-down.
	FailBackAfterHold = selector.FailBackAfterHold
)

// RefusedError is why a command was refused; nothing has changed then. Command is
// "switch", "pin" or "drain", Name whom it was about, and Reason why, which is
// report.ReasonNone if there is nobody of that name.
type RefusedError = selector.RefusedError
