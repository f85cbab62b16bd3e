package endpointset

import (
	"context"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/checking"
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
	p.conn.Lost() //nolint:contextcheck // what follows belongs to the set
	return checking.NewVerdict(report.Inconclusive, report.ReasonConnectionLost, v.Detail)
}
