// Package transport ties a SubConn to the net.Conn beneath it.
//
// # Why
//
// A server that hangs keeps its connection, and with it every call and stream
// that is under way there: grpc has no way to end them early, short of closing
// the whole channel. Closing the net.Conn does: everything on it fails with
// UNAVAILABLE at once. But a load-balancing policy never sees the net.Conn, and
// the dialer never sees the SubConn. The attributes of an address reach both, so
// a [Holder] rides in them.
package transport

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
)

// Holder holds the connection of one SubConn. Its zero value holds none. It is
// safe for concurrent use.
type Holder struct {
	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

// Held tells whether a connection has been seen, so that Close would end it.
func (h *Holder) Held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn != nil
}

// Close closes the connection, and any that comes later. It tells whether there
// was one. It does not wait for what was to be written.
func (h *Holder) Close() bool {
	h.mu.Lock()
	h.closed = true
	conn := h.conn
	h.mu.Unlock()
	if conn == nil {
		return false
	}
	_ = conn.Close() // whatever it says, nobody uses the connection any more
	return true
}

// hold takes the connection in, and tells whether it may be used.
func (h *Holder) hold(conn net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conn = conn
	return !h.closed
}

// key is the Holder's key among the attributes of an address.
type key struct{}

// With gives the address with a Holder among its attributes.
func With(address resolver.Address, h *Holder) resolver.Address {
	address.Attributes = address.Attributes.WithValue(key{}, h)
	return address
}

// Dialer makes a dialer out of one that has each connection held by the Holder
// of its address. Connections to addresses without one are left alone.
func Dialer(dial func(context.Context, string) (net.Conn, error)) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		h, ok := credentials.ClientHandshakeInfoFromContext(ctx).Attributes.Value(key{}).(*Holder)
		if ok && !h.hold(conn) {
			_ = conn.Close()
			return nil, net.ErrClosed
		}
		return conn, nil
	}
}
