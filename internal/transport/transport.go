// Package transport ties a SubConn to the net.Conn beneath it.
//
// # Why
//
// A server that hangs keeps its connection, and with it every call and stream
// that is under way there: grpc has no way to end them early, short of closing
// the whole channel. Closing the net.Conn does: everything on it fails with
// UNAVAILABLE at once. But a load-balancing policy never sees the net.Conn, and
// what sees it never sees the SubConn. The attributes of an address reach the
// transport credentials, so a [Holder] rides in them.
package transport

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
)

// Holder holds the connection of one SubConn. Its zero value holds none. It is
// safe for concurrent use.
type Holder struct {
	read atomic.Int64 // when anything was last read, in ns; 0 for never

	mu     sync.Mutex
	conn   net.Conn
	reason error // why it was closed; nil if it was not
}

// Held tells whether a connection has been seen, so that Close would end it.
func (h *Holder) Held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn != nil
}

// Remote is where the connection leads, nil if none has been seen.
func (h *Holder) Remote() net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil {
		return nil
	}
	return h.conn.RemoteAddr()
}

// LastRead is when anything was last read from the connection, zero if never.
func (h *Holder) LastRead() time.Time {
	if ns := h.read.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Close closes the connection; reason is what its readers get. It tells whether
// there was one to close.
func (h *Holder) Close(reason error) bool {
	h.mu.Lock()
	conn := h.conn
	if conn != nil && h.reason == nil {
		h.reason = reason
	}
	h.mu.Unlock()
	if conn == nil {
		return false
	}
	_ = conn.Close() // whatever it says, nobody uses the connection any more
	return true
}

func (h *Holder) hold(conn net.Conn) net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conn = conn
	return &held{Conn: conn, holder: h}
}

func (h *Holder) closedFor() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason
}

// held is a connection whose readers learn why it was closed.
type held struct {
	net.Conn

	holder *Holder
}

func (c *held) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.holder.read.Store(time.Now().UnixNano())
	}
	if err != nil {
		if reason := c.holder.closedFor(); reason != nil {
			err = reason
		}
	}
	return n, err
}

// key is the Holder's key among the attributes of an address.
type key struct{}

// With gives the address with a Holder among its attributes.
func With(address resolver.Address, h *Holder) resolver.Address {
	address.Attributes = address.Attributes.WithValue(key{}, h)
	return address
}

// Credentials makes transport credentials out of others that have each
// connection held by the Holder of its address. Connections to addresses without
// one are left alone. What it says of itself is what inner says. Credentials that
// it has made already it gives back as they are.
func Credentials(inner credentials.TransportCredentials) credentials.TransportCredentials {
	if already, ok := inner.(*holding); ok {
		return already
	}
	return &holding{inner}
}

type holding struct {
	credentials.TransportCredentials
}

func (c *holding) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return conn, info, err
	}
	if h, ok := credentials.ClientHandshakeInfoFromContext(ctx).Attributes.Value(key{}).(*Holder); ok {
		conn = h.hold(conn)
	}
	return conn, info, nil
}

func (c *holding) Clone() credentials.TransportCredentials {
	return &holding{c.TransportCredentials.Clone()}
}
