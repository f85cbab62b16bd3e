package link

import (
	"context"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// Check returns a Check on the connection, which p makes by means of cc. If it fails because
// the connection has ended, as by a GOAWAY, it says nothing about the server: the endpoint
// is probed again on its next connection.
func (c *Conn) Check(p checking.Prober, cc grpc.ClientConnInterface) checking.Prober {
	return check{p, c, cc}
}

type check struct {
	checking.Prober

	conn *Conn
	cc   grpc.ClientConnInterface // of the connection
}

func (p check) Probe(ctx context.Context) report.Verdict {
	v := p.Prober.Probe(ctx)
	if v.Outcome != report.Failed || !transport.Ended(p.cc) { //nolint:contextcheck // it does not wait
		return v
	}
	p.conn.Lost() //nolint:contextcheck // what follows belongs to the set
	return checking.NewVerdict(report.Inconclusive, report.ReasonConnectionLost, v.Detail)
}

// Line returns the connection as the probes on it see it. If it has to be replaced, stuck is
// called without the lock, with a clause about the connection that says why.
func (c *Conn) Line(stuck func(text string)) checking.Line { return line{c, stuck} }

type line struct {
	conn  *Conn
	stuck func(text string)
}

// Answers implements checking.Line. Denials are none: the server may deny a check too.
func (l line) Answers() uint64 { return l.conn.Vouched() }

// Mark implements checking.Line. Without a Holder only answers to calls show that the
// connection is in use.
func (l line) Mark() (inUse func() bool) {
	c := l.conn
	answers, mark := c.Heard(), c.Holder.Mark()
	return func() bool {
		signs := c.Holder.Since(mark)
		return signs.Payload || signs.Draining || c.Heard() != answers
	}
}

// Stuck implements checking.Line. If there is no stream since calls have all of them, the
// connection stays.
func (l line) Stuck(why report.Reason) {
	switch {
	case why != report.ReasonNoStream:
		l.stuck("which is in use")
	case l.conn.Holder.StreamLimit() == 0:
		l.stuck("where the server allows no stream")
	}
}
