package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// DialGRPC returns a Probe that calls Check of the gRPC health service at address
// (such as "10.0.0.1:10043") on a connection of its own. It is meant for servers
// whose health service has its own port, and for a Monitor.
//
// Each call of the Probe opens the connection if there is none. After a verdict of
// Failed the connection is closed, so that the next call is not delayed by a dead
// connection or by grpc's back-off. If the connection ends during a call, the call is
// made once more on a new connection. If no connection can be made, the verdict is
// Failed with ReasonConnectFailed, or with ReasonProbeTimeout if the deadline came
// first.
//
// The Probe is also a Watcher, which watches on the same connection.
//
// opts must hold the transport credentials. The error names an empty address or an
// invalid option; an address that cannot be dialed shows in the verdicts. The Probe
// implements io.Closer: its owner must close it, and may do so more than once and during
// a call, which then has ReasonCanceled.
func DialGRPC(address, service string, o GRPCOptions, opts ...grpc.DialOption) (Probe, error) {
	if address == "" {
		return nil, errors.New(`address "": want host:port, such as "10.0.0.1:10043"`)
	}
	if o.Target == "" {
		o.Target = address
	}
	o.OwnConn = true
	target := (&url.URL{Scheme: "passthrough", Path: "/" + address}).String() // which escapes, such as the % before a zone
	p := &dialedCheck{service: service, o: o, dial: func() (*grpc.ClientConn, error) {
		// The caller's options come later and therefore override these. A health
		// answer needs no large headers.
		own := []grpc.DialOption{grpc.WithIdleTimeout(0), grpc.WithMaxHeaderListSize(maxAnswer)}
		return grpc.NewClient(target, append(own, opts...)...)
	}}
	if _, err := p.connection(); err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return p, nil
}

// dialedCheck is a GRPCCheck that opens and closes its own connection.
type dialedCheck struct {
	service string
	o       GRPCOptions
	dial    func() (*grpc.ClientConn, error)

	mu     sync.Mutex // guards the fields below; no other lock is acquired while it is held
	conn   *grpc.ClientConn
	closed bool
}

func (p *dialedCheck) Kind() report.ProbeKind { return report.KindGRPCCheck }

func (p *dialedCheck) Target() string { return GRPCCheck(nil, p.service, p.o).Target() }

func (p *dialedCheck) Probe(ctx context.Context) report.Verdict {
	v, cutOff := p.probe(ctx)
	if cutOff {
		v, _ = p.probe(ctx)
	}
	return v
}

// probe probes once. cutOff reports that the connection may have ended during the
// probe, which then says nothing about the server.
func (p *dialedCheck) probe(ctx context.Context) (_ report.Verdict, cutOff bool) {
	conn, err := p.connection()
	if err != nil {
		return checking.NewVerdict(report.Failed, report.ReasonConnectFailed, err.Error()), false
	}
	if conn == nil {
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "the probe is closed"), false
	}
	v, cutOff := grpcCheck{grpcHealth{conn: conn, service: p.service, o: p.o}}.probe(ctx)
	if v.Outcome == report.Failed && p.giveUp(conn) {
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "the probe is closed"), false
	}
	return v, cutOff
}

// Watch watches on the connection. It ends when a Check closes the connection.
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

// connection returns the connection, opening it if there is none, or nil once
// closed.
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

// giveUp closes the connection and reports whether the probe itself was closed.
func (p *dialedCheck) giveUp(conn *grpc.ClientConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return true
	}
	_ = conn.Close() // an error means that it was closed before
	p.conn = nil
	return false
}

// Close closes the connection and the probe. It always returns nil.
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
