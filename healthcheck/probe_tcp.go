package healthcheck

import (
	"context"
	"net"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/socket"
	"github.com/cantonlb/cantonlb/report"
)

// DialFunc opens a connection, as (*net.Dialer).DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// TCPConnect returns a Probe that connects to address (host:port, or "unix:///path" for
// a Unix domain socket) and closes the connection at once. A connection is Serving. Otherwise the verdict is Failed,
// with ReasonConnectFailed, or with ReasonProbeTimeout if the deadline came first.
// It shows that a process listens, not that it answers: prefer any other probe.
//
// dial opens the connection and must return when its context ends. It gets the address
// of a socket as it is. nil means a plain net.Dialer.
func TCPConnect(address string, dial DialFunc) Probe {
	if dial == nil {
		dial = func(ctx context.Context, _, address string) (net.Conn, error) {
			network, at := socket.Network(address)
			return new(net.Dialer).DialContext(ctx, network, at)
		}
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
		if v.Reason == report.ReasonProbeError { // any error here is one of connecting
			v.Reason = report.ReasonConnectFailed
		}
		return v
	}
	_ = conn.Close() // connecting was the whole probe
	return checking.NewVerdict(report.Serving, report.ReasonServing, "")
}
