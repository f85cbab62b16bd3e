package jsonapi

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
)

// countedConn counts what is written to a connection, below TLS. It is how an attempt
// knows that nothing of its request left: no error of net/http reports that.
type countedConn struct {
	net.Conn

	written atomic.Uint64 // calls of Write that may have written something
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.written.Add(1) // before: a Write that fails may have written
	n, err := c.Conn.Write(p)
	if n == 0 && err != nil {
		c.written.Add(^uint64(0))
	}
	return n, err
}

// countedOf returns the connection below TLS, or nil if the transport's connection is not
// one of ours.
func countedOf(c net.Conn) *countedConn {
	for {
		switch x := c.(type) {
		case *countedConn:
			return x
		case *tls.Conn:
			c = x.NetConn()
		default:
			return nil
		}
	}
}

// counting makes a transport's connections count.
func counting(t *http.Transport) {
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: c}, nil
	}
}

// use is the use of one connection by an attempt, which may use several in turn.
type use struct {
	conn   *countedConn // nil: not ours
	before uint64       // what was written when the attempt got it
}

// touched reports whether anything may have been written since.
func (u use) touched() bool { return u.conn == nil || u.conn.written.Load() != u.before }
