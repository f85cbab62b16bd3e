package faults

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
	"github.com/cantonlb/cantonlb/internal/sleep"
)

// A script causes the fault of a scenario, and heals it. It returns when all
// servers are healed.
type script func(ctx context.Context, st *stage) error

// An act does one thing to a server, and returns when it took effect.
type act func(ctx context.Context, st *stage, r *replica) (time.Time, error)

// struck records the beginning of the first fault.
func (st *stage) struck(at time.Time) {
	if st.marks.fault.IsZero() {
		st.marks.fault = at
	}
}

func (st *stage) healed(r *replica, at time.Time) {
	st.marks.heals = append(st.marks.heals, heal{server: r.name, at: at})
}

// strike disturbs servers.
func (st *stage) strike(ctx context.Context, harm act, servers ...*replica) error {
	for _, r := range servers {
		at, err := harm(ctx, st, r)
		if err != nil {
			return err
		}
		st.struck(at)
	}
	return nil
}

// cure heals servers.
func (st *stage) cure(ctx context.Context, remedy act, servers ...*replica) error {
	for _, r := range servers {
		at, err := remedy(ctx, st, r)
		if err != nil {
			return err
		}
		st.healed(r, at)
	}
	return nil
}

// toVictim disturbs one server, and heals it after the plan's hold.
func toVictim(harm, remedy act) script {
	return func(ctx context.Context, st *stage) error {
		if err := st.strike(ctx, harm, st.victim); err != nil {
			return err
		}
		if err := sleep.Context(ctx, st.plan.hold); err != nil {
			return err
		}
		return st.cure(ctx, remedy, st.victim)
	}
}

// toAll disturbs all servers, and heals them after the plan's hold.
func toAll(harm, remedy act) script {
	return func(ctx context.Context, st *stage) error {
		if err := st.strike(ctx, harm, st.replicas...); err != nil {
			return err
		}
		if err := sleep.Context(ctx, st.plan.hold); err != nil {
			return err
		}
		return st.cure(ctx, remedy, st.replicas...)
	}
}

// flapping disturbs and heals one server every second, for the plan's hold.
func flapping(harm, remedy act) script {
	return func(ctx context.Context, st *stage) error {
		for range max(1, int(st.plan.hold/(2*time.Second))) {
			if err := st.strike(ctx, harm, st.victim); err != nil {
				return err
			}
			if err := sleep.Context(ctx, time.Second); err != nil {
				return err
			}
			// Only after the last time does it have the time to return to rotation.
			st.marks.heals = nil
			if err := st.cure(ctx, remedy, st.victim); err != nil {
				return err
			}
			if err := sleep.Context(ctx, time.Second); err != nil {
				return err
			}
		}
		return nil
	}
}

// rolling disturbs and heals the servers one by one. The servers share the plan's
// hold, and each is down for a third of its part.
func rolling(harm, remedy act) script {
	return func(ctx context.Context, st *stage) error {
		part := st.plan.hold / time.Duration(len(st.replicas))
		for _, r := range st.replicas {
			if err := st.strike(ctx, harm, r); err != nil {
				return err
			}
			if err := sleep.Context(ctx, part/3); err != nil {
				return err
			}
			if err := st.cure(ctx, remedy, r); err != nil {
				return err
			}
			if err := sleep.Context(ctx, part-part/3); err != nil {
				return err
			}
		}
		return nil
	}
}

// nothing lets the load run for the plan's hold.
func nothing(ctx context.Context, st *stage) error {
	st.struck(time.Now())
	return sleep.Context(ctx, st.plan.hold)
}

// replacing replaces the list by the other half of the servers and back, every two
// seconds for the plan's hold.
func replacing(ctx context.Context, st *stage) error {
	half := len(st.replicas) / 2
	lists := [][]string{addressesOf(st.replicas[half:]), addressesOf(st.replicas[:half])}
	for i := range max(1, int(st.plan.hold/(2*time.Second))) {
		st.struck(time.Now())
		for _, a := range st.actors {
			if _, err := a.client.tell(ctx, order{Op: opReplace, Servers: lists[i%2]}); err != nil {
				return err
			}
		}
		if err := sleep.Context(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// The acts.

func stop(ctx context.Context, _ *stage, r *replica) (time.Time, error)    { return r.stop(ctx) }
func restart(ctx context.Context, _ *stage, r *replica) (time.Time, error) { return r.start(ctx) }
func kill(_ context.Context, _ *stage, r *replica) (time.Time, error)      { return r.kill(), nil }
func sigstop(_ context.Context, _ *stage, r *replica) (time.Time, error)   { return r.hang() }
func sigcont(_ context.Context, _ *stage, r *replica) (time.Time, error)   { return r.goOn() }

func claim(serving bool) act {
	return func(ctx context.Context, _ *stage, r *replica) (time.Time, error) {
		return r.tell(ctx, order{Op: opHealth, Serving: serving})
	}
}

func behave(m mode) act {
	return func(ctx context.Context, _ *stage, r *replica) (time.Time, error) {
		return r.tell(ctx, order{Op: opBehave, Mode: m})
	}
}

// forgetting makes the path forget the connections to a server.
func forgetting(ctx context.Context, _ *stage, r *replica) (time.Time, error) {
	now := time.Now()
	return now, forget(ctx, r.process.process)
}

// slowing makes the link to a server slow, and hastening ends that.
func slowing(ctx context.Context, st *stage, r *replica) (time.Time, error) {
	now := time.Now()
	return now, slowDown(ctx, st.hub.process, st.number(r))
}

func hastening(ctx context.Context, st *stage, r *replica) (time.Time, error) {
	now := time.Now()
	return now, speedUp(ctx, st.hub.process, st.number(r))
}

// stoppingClients stops the clients for the plan's hold, while all servers are well.
func stoppingClients(ctx context.Context, st *stage) error {
	st.struck(time.Now())
	for _, a := range st.actors {
		if err := hang(a.client.command.Process); err != nil {
			return err
		}
	}
	err := sleep.Context(ctx, st.plan.hold)
	for _, a := range st.actors {
		if again := goOn(a.client.command.Process); err == nil {
			err = again
		}
	}
	return err
}

// direction is which way packets between the clients and a server are dropped.
type direction int

const (
	toServer direction = 1 << iota
	fromServer
	bothWays = toServer | fromServer
)

func drop(d direction) act {
	return func(ctx context.Context, st *stage, r *replica) (time.Time, error) {
		now := time.Now()
		if d&toServer != 0 {
			if err := netns.Drop(ctx, r.process.pid(), netns.FarInterface); err != nil {
				return time.Time{}, err
			}
		}
		if d&fromServer != 0 {
			if err := netns.Drop(ctx, st.hub.pid(), netns.HubInterface(st.number(r))); err != nil {
				return time.Time{}, err
			}
		}
		return now, nil
	}
}

func undrop(d direction) act {
	return func(ctx context.Context, st *stage, r *replica) (time.Time, error) {
		now := time.Now()
		if d&toServer != 0 {
			if err := netns.Restore(ctx, r.process.pid()); err != nil {
				return time.Time{}, err
			}
		}
		if d&fromServer != 0 {
			if err := netns.Restore(ctx, st.hub.pid()); err != nil {
				return time.Time{}, err
			}
		}
		return now, nil
	}
}

// number returns the number of the replica r.
func (st *stage) number(r *replica) int {
	for i, other := range st.replicas {
		if other == r {
			return i
		}
	}
	return -1
}
