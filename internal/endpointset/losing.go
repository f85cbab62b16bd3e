package endpointset

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// connProbe is a Check on the calls' connection. If it fails because that connection
// has ended, as by a GOAWAY, it says nothing about the server: the endpoint is probed
// again on its next connection.
type connProbe struct {
	checking.Prober

	conn *conn
	cc   grpc.ClientConnInterface // of the connection
}

func (p connProbe) Probe(ctx context.Context) report.Verdict {
	v := p.Prober.Probe(ctx)
	if v.Outcome != report.Failed || !transport.Ended(p.cc) { //nolint:contextcheck // it does not wait
		return v
	}
	p.conn.lost() //nolint:contextcheck // what follows belongs to the set
	return checking.NewVerdict(report.Inconclusive, report.ReasonConnectionLost, v.Detail)
}

// reportWait is how long grpc has to report the end of a connection.
const reportWait = 100 * time.Millisecond

// lost handles the end of the connection if grpc does not report it soon. grpc does not
// report it at all if the channel has been closed by two goroutines at once: one of them
// then stops the delivery of reports before the other closes the policy.
func (c *conn) lost() {
	e, s := c.endpoint, c.endpoint.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() || e.conn != c || c.unreported.Armed() {
		return
	}
	c.unreported.Arm(s.scope, reportWait, func() {
		if e.conn == c && e.link.Phase == machine.Ready {
			e.stepLocked(machine.LinkDown, c.dead)
		}
	})
}

// refusedSubConn handles an error of NewSubConn. grpc refuses only while the channel
// is being closed. Close follows, unless the channel was closed by two goroutines at
// once. So the set closes itself. It runs in the queue of calls, for which Close waits.
func (s *Set) refusedSubConn(c *conn, err error) {
	s.scope.Lock()
	defer s.scope.Unlock()
	if e := c.endpoint; !s.scope.Closed() && c.slot.user == c {
		e.linkWhy = judge.Why{Detail: cleantext.Detail(err.Error())} // no attempt has failed
		e.applyLocked()
		go s.Close()
	}
}

// checkOpen closes the set if grpc refuses SubConns. It runs in the queue of calls.
func (s *Set) checkOpen() {
	//lint:ignore SA1019 the function stays; what goes is more than one address for a SubConn
	sc, err := s.cc.NewSubConn([]resolver.Address{{Addr: "unused"}}, balancer.NewSubConnOptions{ //nolint:staticcheck // as above
		StateListener: func(balancer.SubConnState) {},
	})
	if err != nil {
		go s.Close()
		return
	}
	sc.Shutdown()
}
