package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// DialGRPC makes the Probe that calls Check of the gRPC health service at
// address (such as "10.0.0.1:10043") on a connection of its own, for servers
// whose health service has a port to itself, and for a Monitor.
//
// Each call of the Probe makes the connection if there is none. After a verdict
// of Failed it is given up, so that the next call is not held back by a dead
// connection or by grpc's own pauses between attempts. A connection that cannot
// be made is Failed with ReasonConnectFailed, or with ReasonProbeTimeout if the
// deadline came first.
//
// The Probe is a Watcher, too, that watches on the same connection.
//
// opts must hold the transport credentials. The error names a bad address or
// option. The Probe implements io.Closer: its owner must close it, and may do so
// more than once and while a call is under way, which then is ReasonCanceled.
func DialGRPC(address, service string, o GRPCOptions, opts ...grpc.DialOption) (Probe, error) {
	if address == "" {
		return nil, errors.New(`address "": want host:port, such as "10.0.0.1:10043"`)
	}
	if o.Target == "" {
		o.Target = address
	}
	o.OwnConn = true
	p := &dialedCheck{service: service, o: o, dial: func() (*grpc.ClientConn, error) {
		// Before the caller's options, so that these win. A health answer needs
		// no large headers.
		own := []grpc.DialOption{grpc.WithIdleTimeout(0), grpc.WithMaxHeaderListSize(maxAnswer)}
		return grpc.NewClient("passthrough:///"+address, append(own, opts...)...)
	}}
	if _, err := p.connection(); err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return p, nil
}

// dialedCheck is a GRPCCheck that makes and gives up its own connection.
type dialedCheck struct {
	service string
	o       GRPCOptions
	dial    func() (*grpc.ClientConn, error)

	mu     sync.Mutex // guards what follows; no other lock is taken under it
	conn   *grpc.ClientConn
	closed bool
}

func (p *dialedCheck) Kind() report.ProbeKind { return report.KindGRPCCheck }

func (p *dialedCheck) Target() string { return GRPCCheck(nil, p.service, p.o).Target() }

func (p *dialedCheck) Probe(ctx context.Context) report.Verdict {
	conn, err := p.connection()
	if err != nil {
		return checking.NewVerdict(report.Failed, report.ReasonConnectFailed, err.Error())
	}
	if conn == nil {
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "the probe is closed")
	}
	v := GRPCCheck(conn, p.service, p.o).Probe(ctx)
	if v.Outcome == report.Failed && p.giveUp(conn) {
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "the probe is closed")
	}
	return v
}

// Watch watches on the connection. It ends when a Check gives that up.
func (p *dialedCheck) Watch(ctx context.Context, push func(report.Verdict)) report.Verdict {
	conn, err := p.connection()
	switch {
	case err != nil:
		return checking.NewVerdict(report.Inconclusive, report.ReasonConnectFailed, err.Error())
	case conn == nil:
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "the probe is closed")
	default:
		return GRPCWatch(conn, p.service, p.o).Watch(ctx, push)
	}
}

// connection gives the connection, made anew if there is none, or nil once closed.
func (p *dialedCheck) connection() (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil || p.closed {
		return p.conn, nil
	}
	var err error
	p.conn, err = p.dial()
	return p.conn, err
}

// giveUp closes the connection and tells whether the probe itself was closed.
func (p *dialedCheck) giveUp(conn *grpc.ClientConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return true
	}
	_ = conn.Close() // the error would say that it was closed before
	p.conn = nil
	return false
}

// Close closes the connection for good. It always gives nil.
func (p *dialedCheck) Close() error {
	p.mu.Lock()
	conn := p.conn
	p.conn, p.closed = nil, true
	p.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // the same
	}
	return nil
}
