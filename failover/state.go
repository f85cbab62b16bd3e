package failover

import (
	"context"
	"fmt"
	"iter"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// State says which member of a Group is active, and why. Its Reasons are not
// counted.
type State = report.FailoverStatus

// Switch is one change of the active member of a Group: its Number, which starts at
// 1, the names From and To, the Reason, and the time.
type Switch = report.Switch

// change is one change of a Group's state.
type change struct {
	state State
	taken Switch // zero if no member took over
}

// SwitchBatch is what a subscriber of a Group receives at one time.
type SwitchBatch struct {
	// State is the newest state.
	State State
	// Switches are the switches since the last batch, in order.
	Switches []Switch
	// Missed is how many earlier changes were dropped because the subscriber was too
	// slow. The newest 1,024 changes are never dropped.
	Missed uint64
}

// MemberStatus is a snapshot of one member.
type MemberStatus struct {
	Name     string `json:"name"`
	Priority int    `json:"priority,omitempty"`
	Active   bool   `json:"active"`
	Drained  bool   `json:"drained"`
	// HealthStatus is the result of its probes.
	report.HealthStatus
}

// Active returns the name of the active member, and false while no member is
// active. It takes no lock and may be called for each call. After a subscriber has
// received a switch it never returns the member that was active before.
func (g *Group) Active() (name string, ok bool) {
	if active := g.active.Load(); active != nil {
		return *active, true
	}
	return "", false
}

// Await waits until a member is active and returns its name. It returns the error
// of ctx if that ends first, and an error once the Group is closed.
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

// State returns a snapshot. After Close no member is active, and the names of the last
// one and of the pinned one, and the count of switches, are those at Close.
func (g *Group) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Status()
}

// Members returns a snapshot of each member, in the order of the list. After Close none
// is active, and their health is that at Close.
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

// Subscribe returns the changes of the Group from now on:
//
//	for batch := range group.Subscribe(ctx) {
//		use(batch.State.Active)
//	}
//
// The first batch arrives at once, with the current state. The loop ends when ctx
// ends, at Close, or by break. A slow subscriber delays nothing: it receives the
// changes that it has missed in one batch, always with the newest state.
func (g *Group) Subscribe(ctx context.Context) iter.Seq[SwitchBatch] {
	g.mu.Lock()
	reader, now := g.events.Reader(), g.state.Status()
	g.mu.Unlock()
	return func(yield func(SwitchBatch) bool) {
		event.Batches(ctx, reader, SwitchBatch{State: now}, batchOf, yield)
	}
}

func batchOf(changes []change, missed uint64) SwitchBatch {
	batch := SwitchBatch{State: changes[len(changes)-1].state, Missed: missed}
	for _, c := range changes {
		if c.taken.Number != 0 {
			batch.Switches = append(batch.Switches, c.taken)
		}
	}
	return batch
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

// Pin makes the member with this name the active one and keeps all others from
// becoming active. While the pinned member is not eligible, no member is active. It
// is refused, with a *RefusedError, if the member is not eligible.
func (g *Group) Pin(name string) error { return g.command(selector.EventPin, name) }

// Unpin removes the pin, if there is one.
func (g *Group) Unpin() error { return g.command(selector.EventUnpin, "") }

// Drain takes the member with this name out of the choice, for maintenance. It is
// still probed. It is refused, with a *RefusedError, if no active member would be
// left.
func (g *Group) Drain(name string) error { return g.command(selector.EventDrain, name) }

// Undrain ends the drain of the member with this name. The member does not become
// active by itself, unless FailBack says so.
func (g *Group) Undrain(name string) error { return g.command(selector.EventUndrain, name) }

func (g *Group) command(kind selector.Kind, name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.chooseLocked(selector.Event{Kind: kind, Name: name})
}

// Report reports how a call to the member with this name ended, as far as that is
// evidence about the member: a refused connection, a timeout, the answer of a
// passive replica. A non-nil error makes the member suspect; if it is the active
// member, all members are probed at once, and their answers decide. A name that is
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
