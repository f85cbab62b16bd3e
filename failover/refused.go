package failover

import "github.com/cantonlb/cantonlb/internal/selector"

// FailBack says whether the active member is replaced once a preferred one is
// eligible again.
type FailBack = selector.FailBack

// The values of FailBack.
const (
	// FailBackNever keeps the active member while it is eligible. It is the default.
	FailBackNever = selector.FailBackNever
	// FailBackAfterHold replaces the active member by a preferred one that has been
	// eligible for its hold-down.
	FailBackAfterHold = selector.FailBackAfterHold
)

// RefusedError reports why a command was refused and had no effect. Command is
// "switch", "pin" or "drain". Name is the member or endpoint that the command
// named. Reason says why it was refused; it is report.ReasonNone if no member or
// endpoint has that name.
type RefusedError = selector.RefusedError
