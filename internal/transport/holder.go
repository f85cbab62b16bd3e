package transport

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

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
