package healthcheck

import (
	"context"
	"net"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// DialFunc makes a connection, as (*net.Dialer).DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// TCPConnect makes the Probe that connects to address (host:port) and hangs up
// at once. A connection is Serving; none is Failed, with ReasonConnectFailed, or
// with ReasonProbeTimeout if the deadline came first. It shows that somebody
// listens, not that anybody answers: prefer any other probe.
//
// dial makes the connection and must return when its context ends; nil is a
// plain net.Dialer.
func TCPConnect(address string, dial DialFunc) Probe {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return tcpConnect{address: address, dial: dial}
}

type tcpConnect struct {
	address string
	dial    DialFunc
}

func (tcpConnect) Kind() report.ProbeKind { return report.KindTCP }
func (p tcpConnect) Target() string       { return "tcp " + p.address }

func (p tcpConnect) Probe(ctx context.Context) report.Verdict {
	conn, err := p.dial(ctx, "tcp", p.address)
	if err != nil {
		v := ioFailure(ctx, err)
		if v.Reason == report.ReasonProbeError { // whatever went wrong, it was connecting
			v.Reason = report.ReasonConnectFailed
		}
		return v
	}
	_ = conn.Close() // the connection was all that was asked for
	return checking.NewVerdict(report.Serving, report.ReasonServing, "")
}
