package endpointset

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/internal/wanted"
)

// An endpoint may have several addresses: those that a resolver lists, or those that
// its name resolves to. They are raced, as grpc's pick_first does: see machine.Race.

// connectTimeout is how long an endpoint may connect until it counts as unreachable. The
// attempt goes on until grpc ends it, which the option grpc.WithConnectParams decides.
const connectTimeout = 5 * time.Second

// racing is the race for a connection of one endpoint.
type racing struct {
	race    machine.Race
	rivals  []*conn      // the attempts under way
	answers []netip.Addr // of the name, in this race; nil if none are known
	raceErr error        // of the newest attempt that failed
	delay   scope.Timer  // ends machine.RaceDelay
	slots   []*slot      // one for each address
}

// dialLocked begins a race.
func (e *endpoint) dialLocked() {
	e.tries++
	e.began = time.Now()
	e.due, e.slow = false, false
	e.progress.Enter("")
	e.answers, e.raceErr = nil, nil
	e.armLocked(connectTimeout)
	if e.raceLocked(machine.RaceBegin) {
		e.stepLocked(machine.LinkDown, e.raceErr)
	}
}

// raceLocked moves the race and carries out the effects. It reports whether the race is
// lost.
func (e *endpoint) raceLocked(event machine.RaceEvent) (lost bool) {
	r := &e.racing
	for {
		var effects machine.RaceEffects
		r.race, effects = r.race.Next(event, max(len(e.addrs), len(r.answers)))
		started := effects.Start && e.rivalLocked(r.race.Started-1)
		e.delay.Stop()
		if effects.Arm {
			r.delay.Arm(e.set.scope, machine.RaceDelay, func() { e.raceLocked(machine.RaceDelayed) })
		}
		if !effects.Start || started {
			return effects.Lost
		}
		event = machine.RaceFailed // grpc pauses: the next address, if there is one
	}
}

// rivalLocked begins an attempt to connect to the i-th address. It returns false if
// grpc still pauses after the last one.
func (e *endpoint) rivalLocked(i int) bool {
	r := &e.racing
	for len(r.slots) <= i {
		r.slots = append(r.slots, nil)
	}
	l := r.slots[i]
	if l == nil || l.gone {
		l = &slot{endpoint: e, address: e.addrs[min(i, len(e.addrs)-1)]}
		r.slots[i] = l
	}
	if l.resting {
		return false
	}
	c := &conn{endpoint: e, slot: l, address: l.address}
	c.Init(e.set.room, c, e.name, c.address.Addr, e.want.Identity.HasToken())
	c.holder.OnChange(func() { c.SetStreamLimit(c.holder.StreamLimit()) })
	a := &transport.Attempt{Holder: &c.holder, Progress: &e.progress, Others: e.hasOthers}
	switch {
	case len(e.addrs) > 1: // a name among several addresses is one of them
	case i < len(r.answers):
		a.To = r.answers[i]
	default:
		a.Found = func(answers []netip.Addr) { e.found(c, answers) }
	}
	r.rivals = append(r.rivals, c)
	l.connectLocked(c, a)
	return true
}

// found handles the answers of the look-up that the attempt c has made. If it was slow,
// they come a second time: first those of an earlier look-up, then its own.
func (e *endpoint) found(c *conn, answers []netip.Addr) {
	s := e.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() || !slices.Contains(e.rivals, c) {
		return
	}
	e.answers = names.Merge(e.answers, answers)
	e.raceLocked(machine.RaceFound)
}

// hasOthers reports whether the race goes on without one of its attempts.
func (e *endpoint) hasOthers() bool {
	s := e.set
	s.scope.Lock()
	defer s.scope.Unlock()
	return e.race.Started < e.race.Addrs || len(e.rivals) > 1
}

// upLocked handles an attempt that has succeeded: the others end.
func (e *endpoint) upLocked(c *conn) {
	if !slices.Contains(e.rivals, c) {
		return
	}
	e.rivals = slices.DeleteFunc(e.rivals, func(o *conn) bool { return o == c })
	e.endRaceLocked()
	e.conn = c
	c.ready = time.Now()
	e.channel, e.channelDetail = judge.Unheard, ""
	e.stepLocked(machine.LinkUp, nil)
	e.validateLocked(c, machine.AskedFor)
	e.set.scope.Do(func() {
		c.SubConn().RegisterHealthListener(func(h balancer.SubConnState) { c.channelHealth(h) })
	})
}

// downLocked handles an attempt that has failed, or a connection that is lost.
func (e *endpoint) downLocked(c *conn, err error) {
	if e.conn == c {
		e.stepLocked(machine.LinkDown, err)
		return
	}
	i := slices.Index(e.rivals, c)
	if i < 0 {
		return
	}
	e.rivals = slices.Delete(e.rivals, i, i+1)
	c.slot.leaveLocked(c)
	e.raceErr = cmp.Or(err, e.raceErr)
	if e.raceLocked(machine.RaceFailed) {
		e.stepLocked(machine.LinkDown, e.raceErr)
	}
}

// slowLocked notes that the endpoint has been connecting for connectTimeout, or for that
// long again. A SubConn of which nothing has been heard since may be that of a closed
// channel: see refusedSubConn. Look-ups do not count: as long as no name server has
// answered, nothing is known against the endpoint.
func (e *endpoint) slowLocked() {
	err := cmp.Or(e.raceErr, e.timedOutLocked())
	for _, c := range slices.Clone(e.rivals) {
		if c.slot.silent {
			c.slot.shutDownLocked()
			e.downLocked(c, err)
		}
	}
	if e.link.Phase != machine.Connecting {
		return
	}
	look, looking := e.progress.LookUp()
	left := connectTimeout - time.Since(look.Ended)
	if !looking && left > 0 {
		e.armLocked(left)
		return
	}
	if e.armLocked(connectTimeout); e.slow {
		e.set.scope.Do(e.set.checkOpen)
	}
	if e.slow = true; looking {
		return
	}
	e.was.Memory.Troubled = true
	e.linkWhy = judge.Why{Reason: explain.ConnectReason(err), Detail: cleantext.Detail(explain.ErrorText(err))}
	e.applyLocked()
}

// slowEnough is how long a look-up takes at least that may be the reason why an attempt
// has failed. One for which there is an earlier answer takes less. It is also how long an
// attempt takes at least that may have failed since this process did not run.
const slowEnough = time.Second

// inconclusiveLocked reports whether an attempt that has failed says nothing about the
// server, since most of its time was that of the look-up, or since this process did not run
// during an essential part of it: grpc ends an attempt that takes too long, and a server one
// that it hears nothing of.
func (e *endpoint) inconclusiveLocked(err error) bool {
	look, _ := e.progress.LookUp()
	took := time.Since(e.began)
	return errors.Is(err, names.ErrPending) || look.Took >= slowEnough && look.Took > time.Since(look.Ended) ||
		took >= slowEnough && e.set.room.Stalled(took)
}

// endRaceLocked ends the attempts that are under way.
func (e *endpoint) endRaceLocked() {
	e.delay.Stop()
	for _, c := range e.rivals {
		c.slot.leaveLocked(c)
	}
	e.rivals = nil
}

// restsLocked reports whether grpc would ignore an attempt, since it still pauses after
// the last one.
func (e *endpoint) restsLocked() bool {
	n := len(e.addrs)
	return len(e.slots) >= n && !slices.ContainsFunc(e.slots[:n], func(l *slot) bool { return l == nil || l.gone || !l.resting })
}

// tryLocked begins an attempt, at once or as soon as grpc's own pause is over.
func (e *endpoint) tryLocked() {
	if e.due = e.restsLocked(); !e.due {
		e.stepLocked(machine.LinkTry, nil)
	}
}

// closeSlotsLocked shuts down the SubConns.
func (e *endpoint) closeSlotsLocked() {
	for _, l := range e.slots {
		if l != nil {
			l.shutDownLocked()
		}
	}
	e.slots = nil
}

// readdressLocked replaces the addresses of an endpoint that stays. SubConns for
// addresses that have left are shut down.
func (e *endpoint) readdressLocked(addrs []resolver.Address) {
	slots := make([]*slot, len(addrs))
	for _, l := range e.slots {
		if l == nil {
			continue
		}
		if i := slices.IndexFunc(addrs, func(a resolver.Address) bool { return wanted.Same(a, l.address) }); i >= 0 {
			slots[i] = l
		} else {
			l.shutDownLocked()
		}
	}
	e.addrs, e.slots = addrs, slots
}
