package cantonlb

import (
	"context"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/balancer"
	"github.com/cantonlb/cantonlb/failover"
	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Policy is how calls are spread over the endpoints that are eligible.
type Policy string

// The policies.
const (
	// HealthyRoundRobin: to all of them in turn.
	HealthyRoundRobin = Policy(balancer.Name)
	// ActivePassive: to one of them, the active, while it is eligible. Package
	// failover says how it is chosen.
	ActivePassive = Policy(failover.Name)
)

// FailBack says whether the active gives way to a preferred endpoint.
type FailBack = failover.FailBack

// The values of FailBack.
const (
	// FailBackNever: the active stays while it is eligible. The default.
	FailBackNever = failover.FailBackNever
	// FailBackAfterHold: it gives way to an endpoint that is preferred, by its
	// Priority and then by the order of the list, and has been eligible for its
	// hold-down.
	FailBackAfterHold = failover.FailBackAfterHold
)

// Failover is the settings of ActivePassive. The zero value of each field means
// its default.
type Failover struct {
	// FailBack is FailBackNever by default.
	FailBack FailBack
	// HoldDown is how long a preferred endpoint must have been eligible before the
	// active gives way to it, counted from its recovery, or from the last switch
	// if that came later. It doubles, up to 16 times, for one that flaps. Default
	// 10 s, at most 24 h.
	HoldDown time.Duration
	// Drain is how long streams may go on on an endpoint that is not the active any
	// more. Then they end with a *MovedError, which is UNAVAILABLE. Unary calls
	// may finish. Default 5 s, at most 24 h.
	Drain time.Duration
}

// RefusedError is why Switch, Pin or Drain was refused. Nothing has changed then.
type RefusedError = failover.RefusedError

// Switch makes the endpoint with this name the active one. Calls made after it has
// returned go there. With FailBackAfterHold a preferred endpoint takes over again
// after its hold-down; to prevent that, use Pin.
//
// It is refused, with a *RefusedError, if the endpoint is not eligible or another
// one is pinned. Without ActivePassive it is an error.
//
// It moves this client alone: which replica is active is theirs to say, and a
// passive one that is switched to is not eligible.
func (c *Client) Switch(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cantonlb: switch %q: %w", cleantext.Detail(name), err)
	}
	return wrapped(c.set.SwitchTo(name)) //nolint:contextcheck // what it starts belongs to the set, not to the caller
}

// Pin makes the endpoint with this name the active one, and lets no other be, even
// while it is not eligible: then calls get what Config.NoneEligible says. A pin
// lasts until Unpin, until another Pin, or until the name leaves the list. It is
// refused, with a *RefusedError, if the endpoint is not eligible.
func (c *Client) Pin(name string) error { return wrapped(c.set.Pin(name)) }

// Unpin ends the pin, if there is one. The active stays while it is eligible.
func (c *Client) Unpin() error { return wrapped(c.set.Unpin()) }

func wrapped(err error) error {
	if err != nil {
		return fmt.Errorf("cantonlb: %w", err)
	}
	return nil
}
