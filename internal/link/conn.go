package link

import (
	"context"
	"net/netip"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// Conn is one attempt of a SubConn to connect and, if it succeeds, one connection. It is
// never reused, although its SubConn is, so a late report about it cannot be mistaken
// for one about its successor.
type Conn struct {
	pick.Conn // as a pick sees it

	Address resolver.Address // immutable
	Holder  transport.Holder // of the net.Conn, if the credentials provide it
	slot    *slot            // immutable; with the SubConn

	hearing
	pings
	ready      time.Time   // when the connection was established
	unreported scope.Timer // ends ReportWait
	dead       error       // why it was closed; nil if it was not
}

// RemoteIP returns the IP address of the connection's far end, the zero value if it is
// not known, as behind a proxy. It needs no lock.
func (c *Conn) RemoteIP() netip.Addr {
	if remote := c.Holder.Remote(); remote != nil {
		if at, err := netip.ParseAddrPort(remote.String()); err == nil {
			return at.Addr().Unmap()
		}
	}
	return netip.Addr{}
}

// Go runs f, which makes calls on the connection, in a goroutine of its own once the lock
// is released. The context of f ends with the connection, with the scope, or when the
// function that Go returns is called. The scope waits for f to return.
func (c *Conn) Go(f func(context.Context, grpc.ClientConnInterface)) context.CancelFunc {
	in := c.slot.link.env.Scope
	ctx, cancel := context.WithCancel(in.Context())
	end := in.Begin()
	in.Do(func() {
		p, release := c.SubConn().GetOrBuildProducer(&producerBuilder{cancel: cancel})
		go func() {
			defer end()
			defer release()
			defer cancel()
			if cc, ok := p.(grpc.ClientConnInterface); ok { // as grpc documents
				f(ctx, cc)
			}
		}()
	})
	return cancel
}

// producerBuilder provides access to a connection. grpc closes the producer before it
// reports the connection's end, and holds a lock meanwhile. So the close function ends
// what uses the connection without waiting for it.
type producerBuilder struct{ cancel context.CancelFunc }

func (b *producerBuilder) Build(cc any) (balancer.Producer, func()) { return cc, b.cancel }

// Kill closes the connection, once the lock is released. Why is then why it was lost.
func (c *Conn) Kill(why error) {
	c.dead = why
	c.slot.link.env.Scope.After(func() { c.Holder.Close(why) })
}

// Killed reports whether Kill was called.
func (c *Conn) Killed() bool { return c.dead != nil }

// ReportWait is how long grpc has to report the end of a connection.
const ReportWait = 100 * time.Millisecond

// Lost handles the end of the connection if grpc does not report it soon. grpc does not
// report it at all if the channel has been closed by two goroutines at once: one of them
// then stops the delivery of reports before the other closes the policy. It takes the lock.
func (c *Conn) Lost() {
	l := c.slot.link
	l.env.Scope.Lock()
	defer l.env.Scope.Unlock()
	if l.env.Scope.Closed() || l.conn != c || c.unreported.Armed() {
		return
	}
	c.unreported.Arm(l.env.Scope, ReportWait, func() {
		if l.conn == c && l.state.Phase == machine.Ready {
			l.step(machine.LinkDown, c.dead)
		}
	})
}
