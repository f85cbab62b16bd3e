package link

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/internal/wanted"
)

// An endpoint may have several addresses: those that a resolver lists, or those that
// its name resolves to. They are raced, as grpc's pick_first does: see machine.Race.

// ConnectTimeout is how long an endpoint may connect until it counts as unreachable. The
// attempt goes on until grpc ends it, which the option grpc.WithConnectParams decides.
const ConnectTimeout = 5 * time.Second

// race is the race for a connection.
type race struct {
	racing  machine.Race
	rivals  []*Conn      // the attempts under way
	answers []netip.Addr // of the name, in this race; nil if none are known
	raceErr error        // of the newest attempt that failed
	delay   scope.Timer  // ends machine.RaceDelay
	slots   []*slot      // one for each address
}

// dial begins a race.
func (l *Link) dial() {
	l.tries++
	l.began = time.Now()
	l.due, l.slow = false, false
	l.progress.Enter("")
	l.answers, l.raceErr = nil, nil
	l.arm(ConnectTimeout)
	if l.moveRace(machine.RaceBegin) {
		l.step(machine.LinkDown, l.raceErr)
	}
}

// moveRace moves the race and carries out the effects. It reports whether the race is
// lost.
func (l *Link) moveRace(event machine.RaceEvent) (lost bool) {
	for {
		var effects machine.RaceEffects
		l.racing, effects = l.racing.Next(event, max(len(l.addrs), len(l.answers)))
		started := effects.Start && l.rival(l.racing.Started-1)
		l.delay.Stop()
		if effects.Arm {
			l.delay.Arm(l.env.Scope, machine.RaceDelay, func() { l.moveRace(machine.RaceDelayed) })
		}
		if !effects.Start || started {
			return effects.Lost
		}
		event = machine.RaceFailed // grpc pauses: the next address, if there is one
	}
}

// rival begins an attempt to connect to the i-th address. It returns false if grpc still
// pauses after the last one.
func (l *Link) rival(i int) bool {
	for len(l.slots) <= i {
		l.slots = append(l.slots, nil)
	}
	s := l.slots[i]
	if s == nil || s.gone {
		s = &slot{link: l, address: l.addrs[min(i, len(l.addrs)-1)]}
		l.slots[i] = s
	}
	if s.resting {
		return false
	}
	c := l.owner.Attempt(s.address)
	c.slot, c.Address = s, s.address
	c.Holder.OnChange(func() { c.SetStreamLimit(c.Holder.StreamLimit()) })
	a := &transport.Attempt{Holder: &c.Holder, Progress: &l.progress, Others: l.hasOthers}
	switch {
	case len(l.addrs) > 1: // a name among several addresses is one of them
	case i < len(l.answers):
		a.To = l.answers[i]
	default:
		a.Found = func(answers []netip.Addr) { l.found(c, answers) }
	}
	l.rivals = append(l.rivals, c)
	s.connect(c, a)
	return true
}

// found handles the answers of the look-up that the attempt c has made. If it was slow,
// they come a second time: first those of an earlier look-up, then its own. It takes the
// lock.
func (l *Link) found(c *Conn, answers []netip.Addr) {
	l.env.Scope.Lock()
	defer l.env.Scope.Unlock()
	if l.env.Scope.Closed() || !slices.Contains(l.rivals, c) {
		return
	}
	l.answers = names.Merge(l.answers, answers)
	l.moveRace(machine.RaceFound)
}

// hasOthers reports whether the race goes on without one of its attempts. It takes the
// lock.
func (l *Link) hasOthers() bool {
	l.env.Scope.Lock()
	defer l.env.Scope.Unlock()
	return l.racing.Started < l.racing.Addrs || len(l.rivals) > 1
}

// up handles an attempt that has succeeded: the others end.
func (l *Link) up(c *Conn) {
	if !slices.Contains(l.rivals, c) {
		return
	}
	l.rivals = slices.DeleteFunc(l.rivals, func(o *Conn) bool { return o == c })
	l.endRace()
	l.conn = c
	c.ready = time.Now()
	l.owner.Up(c)
	l.step(machine.LinkUp, nil)
	l.owner.Connected(c)
}

// down handles an attempt that has failed, or a connection that is lost.
func (l *Link) down(c *Conn, err error) {
	if l.conn == c {
		l.step(machine.LinkDown, err)
		return
	}
	i := slices.Index(l.rivals, c)
	if i < 0 {
		return
	}
	l.rivals = slices.Delete(l.rivals, i, i+1)
	c.slot.leave(c)
	l.raceErr = cmp.Or(err, l.raceErr)
	if l.moveRace(machine.RaceFailed) {
		l.step(machine.LinkDown, l.raceErr)
	}
}

// tooSlow notes that the endpoint has been connecting for ConnectTimeout, or for that
// long again. A SubConn of which nothing has been heard since may be that of a closed
// channel: see slot.refused. Look-ups do not count: as long as no name server has
// answered, nothing is known against the endpoint.
func (l *Link) tooSlow() {
	err := cmp.Or(l.raceErr, l.timedOut())
	for _, c := range slices.Clone(l.rivals) {
		if c.slot.silent {
			c.slot.shutDown()
			l.down(c, err)
		}
	}
	if l.state.Phase != machine.Connecting {
		return
	}
	look, looking := l.progress.LookUp()
	left := ConnectTimeout - time.Since(look.Ended)
	if !looking && left > 0 {
		l.arm(left)
		return
	}
	if l.arm(ConnectTimeout); l.slow {
		l.env.Scope.Do(l.env.checkOpen)
	}
	if l.slow = true; looking {
		return
	}
	l.failed(err)
	l.owner.Apply(true)
}

// slowEnough is how long a look-up takes at least that may be the reason why an attempt
// has failed. One for which there is an earlier answer takes less. It is also how long an
// attempt takes at least that may have failed since this process did not run.
const slowEnough = time.Second

// inconclusive reports whether an attempt that has failed says nothing about the server,
// since most of its time was that of the look-up, or since this process did not run
// during an essential part of it: grpc ends an attempt that takes too long, and a server one
// that it hears nothing of.
func (l *Link) inconclusive(err error) bool {
	look, _ := l.progress.LookUp()
	took := time.Since(l.began)
	return errors.Is(err, names.ErrPending) || look.Took >= slowEnough && look.Took > time.Since(look.Ended) ||
		took >= slowEnough && l.env.Room.Stalled(took)
}

// endRace ends the attempts that are under way.
func (l *Link) endRace() {
	l.delay.Stop()
	for _, c := range l.rivals {
		c.slot.leave(c)
	}
	l.rivals = nil
}

// rests reports whether grpc would ignore an attempt, since it still pauses after the
// last one.
func (l *Link) rests() bool {
	n := len(l.addrs)
	return len(l.slots) >= n && !slices.ContainsFunc(l.slots[:n], func(s *slot) bool { return s == nil || s.gone || !s.resting })
}

// closeSlots shuts down the SubConns.
func (l *Link) closeSlots() {
	for _, s := range l.slots {
		if s != nil {
			s.shutDown()
		}
	}
	l.slots = nil
}

// Readdress replaces the addresses. SubConns for addresses that have left are shut down.
func (l *Link) Readdress(addrs []resolver.Address) {
	slots := make([]*slot, len(addrs))
	for _, s := range l.slots {
		if s == nil {
			continue
		}
		if i := slices.IndexFunc(addrs, func(a resolver.Address) bool { return wanted.Same(a, s.address) }); i >= 0 {
			slots[i] = s
		} else {
			s.shutDown()
		}
	}
	l.addrs, l.slots = addrs, slots
}
