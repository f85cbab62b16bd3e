package cantonlb

import (
	"context"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/balancer"
	"github.com/cantonlb/cantonlb/failover"
	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Policy is how calls are distributed over the eligible endpoints.
type Policy string

// The policies.
const (
	// HealthyRoundRobin sends calls to all eligible endpoints in turn.
	HealthyRoundRobin = Policy(balancer.Name)
	// HealthyLeastLoaded sends each call to the less loaded of two eligible endpoints
	// drawn at random. Package balancer documents how load is measured.
	HealthyLeastLoaded = Policy(balancer.LeastLoadedName)
	// ActivePassive sends all calls to one eligible endpoint, the active endpoint,
	// while it is eligible. Package failover documents how it is chosen.
	ActivePassive = Policy(failover.Name)
)

// FailBack sets whether a preferred endpoint replaces an active endpoint that is
// still eligible.
type FailBack = failover.FailBack

// The values of FailBack.
const (
	// FailBackNever means that the active endpoint stays active while it is eligible.
	// It is the default.
	FailBackNever = failover.FailBackNever
	// FailBackAfterHold means that an endpoint that is preferred, by its Priority and
	// then by the order of the list, becomes the active endpoint once it has been
	// eligible for its hold-down.
	FailBackAfterHold = failover.FailBackAfterHold
)

// Failover holds the settings of ActivePassive. The zero value of each field means its
// default.
type Failover struct {
	// FailBack is FailBackNever by default.
	FailBack FailBack
	// HoldDown is how long a preferred endpoint must have been eligible before it
	// becomes the active endpoint, counted from its recovery, or from the last switch
	// if that was later. It doubles, up to 16 times the setting, for an endpoint that
	// flaps. Default 10 s, at most 24 h.
	HoldDown time.Duration
	// Drain is how long streams may continue on an endpoint that is no longer the
	// active endpoint. Then they end with a *MovedError, which is UNAVAILABLE. Unary
	// calls may finish. Default 5 s, at most 24 h.
	Drain time.Duration
}

// RefusedError reports why Switch, Pin or Drain was refused. The refused command has
// changed nothing.
type RefusedError = failover.RefusedError

// Switch makes the endpoint with this name the active one. Calls made after it returns
// go to that endpoint. With FailBackAfterHold a preferred endpoint takes over again
// after its hold-down; to prevent that, use Pin.
//
// Switch returns a *RefusedError if the endpoint is not eligible or if another one is
// pinned. Without ActivePassive it returns an error.
//
// Switch affects this client alone. The replicas decide which of them is active, and
// an endpoint whose replica is passive is not eligible.
func (c *Client) Switch(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cantonlb: switch %q: %w", cleantext.Detail(name), err)
	}
	return wrapped(c.set.SwitchTo(name)) //nolint:contextcheck // what it starts belongs to the set, not to the caller
}

// Pin makes the endpoint with this name the active one and allows no other to be
// active. While the pinned endpoint is not eligible, Config.NoneEligible applies to
// calls. A pin lasts until Unpin, until another Pin, or until the name leaves the
// list. Pin returns a *RefusedError if the endpoint is not eligible.
func (c *Client) Pin(name string) error { return wrapped(c.set.Pin(name)) }

// Unpin ends the pin, if there is one. The active endpoint stays active while it is
// eligible.
func (c *Client) Unpin() error { return wrapped(c.set.Unpin()) }

func wrapped(err error) error {
	if err != nil {
		return fmt.Errorf("cantonlb: %w", err)
	}
	return nil
}
