package faults

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// reign is a time in which a replica was active, that is, held the lock.
type reign struct {
	replica string
	address string
	from    time.Time // since when it served
	to      time.Time // when it was struck or gave up the lock; zero if it never did
}

// crown makes the first replica active, before any client calls.
func (st *stage) crown(ctx context.Context) error {
	st.victim = st.replicas[0]
	st.lock = lock{takeover: st.scenario.takeover}
	for _, r := range st.replicas {
		st.wants(r)
	}
	return st.grant(ctx)
}

func (st *stage) wants(r *replica) {
	st.lock, _ = st.lock.next(lockEvent{kind: lockWanted, replica: r.name})
}

// dethrone releases the lock that r holds.
func (st *stage) dethrone(r *replica, at time.Time) {
	st.lock, _ = st.lock.next(lockEvent{kind: lockLeft, replica: r.name, at: at})
	st.reigns[len(st.reigns)-1].to = at
}

// grant waits until the free lock may be taken, and makes a passive replica take it
// and lead.
func (st *stage) grant(ctx context.Context) error {
	if err := sleep.Context(ctx, time.Until(st.lock.due())); err != nil {
		return err
	}
	r, err := st.take(time.Now())
	if err != nil {
		return err
	}
	at, err := beActive(ctx, st, r)
	st.reigns = append(st.reigns, reign{replica: r.name, address: r.address, from: at})
	return err
}

// take gives the free lock to a replica.
func (st *stage) take(at time.Time) (*replica, error) {
	var name string
	st.lock, name = st.lock.next(lockEvent{kind: lockAsked, at: at})
	i := slices.IndexFunc(st.replicas, func(r *replica) bool { return r.name == name })
	if i < 0 {
		return nil, errors.New("the lock is not free, or no replica wants it")
	}
	return st.replicas[i], nil
}

// active returns the replica that holds the lock, and passive one that does not.
func (st *stage) active() *replica {
	return st.replicas[slices.IndexFunc(st.replicas, func(r *replica) bool { return r.name == st.lock.holder })]
}

func (st *stage) passive() *replica {
	return st.replicas[slices.IndexFunc(st.replicas, func(r *replica) bool { return r.name != st.lock.holder })]
}

// succeed makes the active replica fail by harm, and another one take over.
func (st *stage) succeed(ctx context.Context, harm act) error {
	old := st.active()
	if err := st.strike(ctx, harm, old); err != nil {
		return err
	}
	st.dethrone(old, time.Now())
	return st.grant(ctx)
}

// fall disturbs the active replica, and heals it after the plan's hold; it is
// passive then.
func fall(harm, remedy act) script {
	return func(ctx context.Context, st *stage) error {
		old := st.active()
		if err := st.succeed(ctx, harm); err != nil {
			return err
		}
		if err := sleep.Context(ctx, time.Until(st.marks.fault.Add(st.plan.hold))); err != nil {
			return err
		}
		if _, err := remedy(ctx, st, old); err != nil {
			return err
		}
		st.wants(old)
		return nil
	}
}

// kills kills the active replica repeatedly, for the plan's hold.
func kills(ctx context.Context, st *stage) error {
	for i := range int(st.plan.hold / killCycle) {
		old := st.active()
		if err := st.succeed(ctx, kill); err != nil {
			return err
		}
		if err := sleep.Context(ctx, killCycle/5); err != nil {
			return err
		}
		if _, err := restart(ctx, st, old); err != nil {
			return err
		}
		st.wants(old)
		if err := sleep.Context(ctx, time.Until(st.marks.fault.Add(time.Duration(i+1)*killCycle))); err != nil {
			return err
		}
	}
	return nil
}

// handOver makes the active replica step down while another one serves already, and
// gives that one the lock.
func handOver(ctx context.Context, st *stage) error {
	old, next := st.active(), st.passive()
	if _, err := beActive(ctx, st, next); err != nil {
		return err
	}
	if err := sleep.Context(ctx, overlap); err != nil {
		return err
	}
	if err := st.strike(ctx, stepDown, old); err != nil {
		return err
	}
	st.dethrone(old, st.marks.fault)
	r, err := st.take(st.marks.fault)
	if err != nil {
		return err
	}
	st.reigns = append(st.reigns, reign{replica: r.name, address: r.address, from: st.marks.fault})
	st.wants(old)
	return sleep.Context(ctx, st.plan.hold)
}

// pretend makes a passive replica lead without the lock for the plan's hold, as in
// an overlapping takeover, or if two replicas do not share a database.
func pretend(ctx context.Context, st *stage) error {
	second := st.passive()
	if err := st.strike(ctx, beActive, second); err != nil {
		return err
	}
	if err := sleep.Context(ctx, st.plan.hold); err != nil {
		return err
	}
	_, err := stepDown(ctx, st, second)
	return err
}

// flapStandby makes a passive replica lead without the lock and step down,
// alternating every second for the plan's hold.
func flapStandby(ctx context.Context, st *stage) error {
	return inTurn(ctx, st, beActive, stepDown, st.passive())
}

// flapActive makes the active replica step down and lead again, alternating every
// second for the plan's hold. At the first time it loses the lock to another one,
// which is healthy.
func flapActive(ctx context.Context, st *stage) error {
	first := true
	return inTurn(ctx, st, func(ctx context.Context, st *stage, r *replica) (time.Time, error) {
		at, err := stepDown(ctx, st, r)
		if err != nil || !first {
			return at, err
		}
		first = false
		st.dethrone(r, time.Now())
		return at, st.grant(ctx)
	}, beActive, st.active())
}

// inTurn alternates two acts on a replica, every second.
func inTurn(ctx context.Context, st *stage, one, other act, r *replica) error {
	began := time.Now()
	for i := 0; i < int(st.plan.hold/time.Second); i += 2 {
		if err := st.strike(ctx, one, r); err != nil {
			return err
		}
		if err := sleep.Context(ctx, time.Until(began.Add(time.Duration(i+1)*time.Second))); err != nil {
			return err
		}
		if _, err := other(ctx, st, r); err != nil {
			return err
		}
		if err := sleep.Context(ctx, time.Until(began.Add(time.Duration(i+2)*time.Second))); err != nil {
			return err
		}
	}
	return nil
}

// The acts.

func beActive(ctx context.Context, _ *stage, r *replica) (time.Time, error) {
	return r.tell(ctx, order{Op: opLead})
}

func stepDown(ctx context.Context, _ *stage, r *replica) (time.Time, error) {
	return r.tell(ctx, order{Op: opStandBy})
}

func leaveIt(context.Context, *stage, *replica) (time.Time, error) { return time.Now(), nil }

// wakeUp ends a hang. The replica then learns at once that it has lost the lock.
func wakeUp(ctx context.Context, _ *stage, r *replica) (time.Time, error) {
	if err := r.process.send(order{Op: opStandBy}); err != nil {
		return time.Time{}, err
	}
	at, err := r.goOn()
	if err != nil {
		return at, err
	}
	_, err = r.process.answer(ctx, answerLimit)
	return at, err
}

// reunite ends a partition, during which the replica has learned that it has lost
// the lock.
func reunite(ctx context.Context, st *stage, r *replica) (time.Time, error) {
	if at, err := stepDown(ctx, st, r); err != nil {
		return at, err
	}
	return undrop(bothWays)(ctx, st, r)
}
