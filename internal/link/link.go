package link

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// Env is what the links of a set share. It is immutable.
type Env struct {
	Scope   *scope.Scope
	Channel balancer.ClientConn // makes the SubConns
	Room    *pick.Room          // knows whether this process runs
	// Dialer returns the function that knocks. It is called without the lock.
	Dialer func() healthcheck.DialFunc
	// Fresh reports whether a SubConn may be used for one connection only.
	Fresh func() bool
	// Close closes the set. It is called without the lock, in a goroutine of its own, when
	// grpc refuses SubConns.
	Close func()
}

// Owner is the endpoint that has a link.
type Owner interface {
	// Attempt returns a Conn for an attempt to connect to an address. Its pick.Conn is
	// initialized.
	Attempt(address resolver.Address) *Conn
	// Up takes the connection of an attempt that has succeeded. Apply follows, and then
	// Connected.
	Up(c *Conn)
	// Connected reports that the endpoint has been judged with its connection.
	Connected(c *Conn)
	// Retired takes the connection back. Its calls may finish. lost reports that it was
	// lost, and not given up. Apply follows.
	Retired(c *Conn, lost bool)
	// Apply judges the endpoint again, after a step of the link. troubled reports that
	// there is evidence against its server: an attempt to connect has failed, say.
	Apply(troubled bool)
	// Troubled reports whether there has been such evidence since the endpoint was last
	// seen healthy.
	Troubled() bool
}

// Link is how one endpoint gets a connection. Create it with New.
type Link struct {
	env   *Env  // immutable
	owner Owner // immutable

	state   machine.Link
	why     judge.Why // why there is no connection; kept until the next one reports
	refused bool      // why is that the server's machine refused the connection
	addrs   []resolver.Address
	conn    *Conn       // nil unless connected
	timer   scope.Timer // ends ConnectTimeout while connecting, or the pause while waiting
	pause
	attempt
	race
}

// pause is the pause before the next attempt to connect.
type pause struct {
	nextTry time.Time     // when the next attempt is due, while waiting
	due     bool          // it is due, and waits for grpc's own pause
	rest    time.Duration // how long grpc itself has paused after the last failed attempt
	lost    time.Time     // when a connection that had proven itself was last replaced at once
	knocks  int           // knocks under way
	knocked time.Time     // when the last one began
	backoff *backoff.ExponentialBackOff
}

// attempt is what is known of the newest attempt to connect.
type attempt struct {
	tries int       // attempts so far
	began time.Time // when it began
	slow  bool      // ConnectTimeout is over, and the attempt goes on
	// progress is how far it has come, as the channel's dialer and credentials report it.
	progress transport.Progress
}

// New returns the link of an endpoint with these addresses, at least one, which are raced
// in this order. It does nothing until Try.
func New(env *Env, owner Owner, addrs []resolver.Address) *Link {
	return &Link{env: env, owner: owner, addrs: addrs}
}

// Try begins an attempt, at once or as soon as grpc's own pause is over. It does nothing
// unless the link waits.
func (l *Link) Try() {
	if l.due = l.rests(); !l.due {
		l.step(machine.LinkTry, nil)
	}
}

// Close gives up the connection permanently.
func (l *Link) Close() { l.step(machine.LinkClose, nil) }

// Phase returns the phase of the connection.
func (l *Link) Phase() machine.Phase { return l.state.Phase }

// Remote returns the remote address of the connection, nil without one.
func (l *Link) Remote() net.Addr {
	if l.conn == nil {
		return nil
	}
	return l.conn.Holder.Remote()
}

// Addrs returns the addresses.
func (l *Link) Addrs() []resolver.Address { return l.addrs }

// Why returns why there is no connection. It is kept until ForgetWhy.
func (l *Link) Why() judge.Why { return l.why }

// ForgetWhy is called once a new connection has reported.
func (l *Link) ForgetWhy() { l.why = judge.Why{} }

// Refused reports whether the reason of Why is that the server's machine refused the
// connection.
func (l *Link) Refused() bool { return l.refused }

// NextTry returns when the next attempt is due, while the link waits.
func (l *Link) NextTry() time.Time { return l.nextTry }

// Progress returns the phase of the attempt to connect, and since when it lasts.
func (l *Link) Progress() (report.ConnectPhase, time.Time) { return l.progress.Now() }

// Conns returns the attempts under way, or the connection, for tests.
func (l *Link) Conns() []*Conn {
	if l.conn != nil {
		return append([]*Conn{l.conn}, l.rivals...)
	}
	return l.rivals
}

// Timed reports whether the link moves on by itself, for tests.
func (l *Link) Timed() bool { return l.timer.Armed() }

// step moves the link and carries out the effects.
func (l *Link) step(event machine.LinkEvent, err error) {
	event = l.loss(event)
	before := l.state
	next, effects := before.Next(event)
	l.state = next
	if effects.Retire {
		l.retire(effects.Lost)
	}
	if effects.Lost {
		l.why = judge.Why{Reason: report.ReasonConnectionLost, Detail: cleantext.Detail(explain.ErrorText(err))}
	}
	pending := before.Phase == machine.Connecting && l.inconclusive(err)
	failed := effects.Failed && !pending
	if failed {
		l.failed(err)
		l.refused = errors.Is(err, syscall.ECONNREFUSED)
	}
	if effects.Reset {
		l.resetPause()
	}
	switch {
	case effects.Dial:
		l.dial()
	case effects.BackOff:
		now := time.Now()
		l.nextTry = now
		if !pending { // otherwise the attempt was the pause
			l.nextTry = now.Add(l.nextPause())
		}
		l.arm(l.pauseOrKnock(now))
	case l.state.Phase == machine.Ready || l.state.Phase == machine.Closed:
		l.timer.Stop()
	}
	if l.state.Phase == machine.Closed {
		l.closeSlots()
	}
	l.owner.Apply(failed)
}

// errBrief is the error of a connection that had not proven itself when it was lost.
var errBrief = errors.New("the connection was closed before the server answered a probe or a call")

// failed notes why there is no connection. grpc has no error for one that was established.
func (l *Link) failed(err error) {
	if err == nil {
		err = errBrief
	}
	l.why = judge.Why{Reason: explain.ConnectReason(err), Detail: cleantext.Detail(explain.ErrorText(err))}
}

// retire gives up the connection, and ends a race. Calls on the connection may finish:
// Shutdown only prevents new ones.
func (l *Link) retire(lost bool) {
	l.endRace()
	c := l.conn
	if c == nil {
		return
	}
	l.conn = nil
	l.owner.Retired(c, lost)
	c.slot.leave(c)
}

// The pauses between attempts to connect.
const (
	MinPause    = 100 * time.Millisecond
	MaxPause    = 10 * time.Second
	PauseGrowth = 1.6
	PauseJitter = 0.2
)

func (p *pause) nextPause() time.Duration {
	if p.backoff == nil {
		p.backoff = backoff.NewExponentialBackOff(backoff.WithInitialInterval(MinPause),
			backoff.WithMaxInterval(MaxPause), backoff.WithMultiplier(PauseGrowth),
			backoff.WithRandomizationFactor(PauseJitter), backoff.WithMaxElapsedTime(0))
	}
	return min(p.backoff.NextBackOff(), MaxPause) // the jitter exceeds the interval
}

func (p *pause) resetPause() {
	if p.backoff != nil {
		p.backoff.Reset()
	}
}

// arm sets the link's timer.
func (l *Link) arm(d time.Duration) {
	due := time.Now().Add(d)
	l.timer.Arm(l.env.Scope, d, func() {
		switch {
		case l.state.Phase == machine.Waiting:
			l.wake()
		case time.Since(due) > ConnectTimeout/scope.Lateness: // this process did not run
			l.arm(ConnectTimeout)
		default:
			l.tooSlow()
		}
	})
}

// timedOut returns the error of an attempt to connect that takes too long.
func (l *Link) timedOut() error {
	text := fmt.Sprintf("no connection within %v", ConnectTimeout)
	if phase, _ := l.progress.Now(); phase != "" {
		text += ": " + phase.Waits()
	}
	return errors.New(text)
}

// Connectivity returns a phase as grpc calls it.
func Connectivity(p machine.Phase) connectivity.State {
	switch p {
	case machine.Ready:
		return connectivity.Ready
	case machine.Connecting:
		return connectivity.Connecting
	case machine.Closed:
		return connectivity.Shutdown
	default:
		return connectivity.TransientFailure
	}
}
