package failover

import (
	"context"
	"fmt"
	"iter"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// State is who is active in a Group. Its Reasons are not counted.
type State = report.FailoverStatus

// Switch is one change of the active member of a Group: its Number, from 1, the
// names From and To, the Reason, and when it was.
type Switch = report.Switch

// change is one change of a Group's state.
type change struct {
	state State
	taken Switch // zero if no member took over
}

// SwitchBatch is what a subscriber of a Group receives at one time.
type SwitchBatch struct {
	// State is the newest.
	State State
	// Switches are those since the last batch, in order.
	Switches []Switch
	// Missed is how many changes came before these and are gone, because the
	// subscriber was too slow: of the newest 1,024 none is ever missed.
	Missed uint64
}

// MemberStatus is a snapshot of one member.
type MemberStatus struct {
	Name     string `json:"name"`
	Priority int    `json:"priority,omitempty"`
	Active   bool   `json:"active"`
	Drained  bool   `json:"drained"`
	// HealthStatus is what its probes have found.
	report.HealthStatus
}

// Active returns the name of the active member, and false while none is. It takes no
// lock and may be called for each call. After a subscriber has received a switch it
// never returns the member that was active before.
func (g *Group) Active() (name string, ok bool) {
	if active := g.active.Load(); active != nil {
		return *active, true
	}
	return "", false
}

// Await waits until a member is active, and gives its name. It returns the error of
// ctx, or one that the Group is closed.
func (g *Group) Await(ctx context.Context) (name string, err error) {
	for {
		g.mu.Lock()
		changed, closed := g.changed, g.closed
		g.mu.Unlock()
		if closed {
			return "", errClosed
		}
		if name, ok := g.Active(); ok {
			return name, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("failover: no member is active: %w", ctx.Err())
		}
	}
}

// State gives a snapshot.
func (g *Group) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Status()
}

// Members gives a snapshot of each member, in the order of the list.
func (g *Group) Members() []MemberStatus {
	targets := g.monitor.Status()
	g.mu.Lock()
	defer g.mu.Unlock()
	active, _ := g.state.Active()
	out := make([]MemberStatus, len(targets))
	for i, t := range targets {
		out[i] = MemberStatus{
			Name: t.Name, Priority: g.members[i].Priority, Active: active.ID == i+1,
			Drained: g.state.Drained(i + 1), HealthStatus: t.HealthStatus,
		}
	}
	return out
}

// Subscribe follows the Group from now on:
//
//	for batch := range group.Subscribe(ctx) {
//		use(batch.State.Active)
//	}
//
// The first batch comes at once, with the state of now. The loop ends with ctx, with
// Close, or by break. A slow subscriber holds up nothing: it receives what has come
// meanwhile together, and always the newest state.
func (g *Group) Subscribe(ctx context.Context) iter.Seq[SwitchBatch] {
	g.mu.Lock()
	reader, now := g.events.Reader(), g.state.Status()
	g.mu.Unlock()
	return func(yield func(SwitchBatch) bool) {
		for batch := (SwitchBatch{State: now}); yield(batch); {
			changes, missed, err := reader.Next(ctx)
			if err != nil {
				return
			}
			batch = SwitchBatch{State: changes[len(changes)-1].state, Missed: missed}
			for _, c := range changes {
				if c.taken.Number != 0 {
					batch.Switches = append(batch.Switches, c.taken)
				}
			}
		}
	}
}

// Switch makes the member with this name the active one. It is refused, with a
// *RefusedError, if the member is not eligible or another one is pinned. With
// FailBackAfterHold a preferred member takes over again after its hold-down; to
// prevent that, use Pin.
func (g *Group) Switch(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("failover: switch %q: %w", cleantext.Detail(name), err)
	}
	return g.command(selector.EventSwitch, name)
}

// Pin makes the member with this name the active one, and lets no other be, even
// while it is not eligible: then nobody is active. It is refused, with a
// *RefusedError, if the member is not eligible.
func (g *Group) Pin(name string) error { return g.command(selector.EventPin, name) }

// Unpin ends the pin, if there is one.
func (g *Group) Unpin() error { return g.command(selector.EventUnpin, "") }

// Drain takes the member with this name out, for maintenance; it is probed all the
// same. It is refused, with a *RefusedError, if it would leave no active.
func (g *Group) Drain(name string) error { return g.command(selector.EventDrain, name) }

// Undrain puts the member with this name back. It does not take over by itself,
// unless FailBack says so.
func (g *Group) Undrain(name string) error { return g.command(selector.EventUndrain, name) }

func (g *Group) command(kind selector.Kind, name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chooseLocked(selector.Event{Kind: kind, Name: name})
}

// Report tells how a call to the member with this name has ended, as far as that
// says something about the member: a refused connection, a timeout, the answer of a
// passive replica. An error that is not nil makes the member suspect, and if it is
// the active has all members probed at once; what they say decides. A name that is
// not in the Group is an error.
func (g *Group) Report(name string, err error) error {
	if g.ids[name] == 0 {
		return fmt.Errorf("failover: report: no member %q", cleantext.Detail(name))
	}
	if err == nil {
		return nil
	}
	return g.monitor.Doubt(name, report.ReasonReported)
}
