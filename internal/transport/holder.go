package transport

import (
	"errors"
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
	remote net.Addr // where it leads
	reason error    // why it was closed; nil if it was not
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
	return h.remote
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
	remote := conn.RemoteAddr() // without the lock: the connection may be the program's own
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conn, h.remote = conn, remote
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

// Write finds out why a connection is closed on which nothing was ever read. A
// server that does not take the client's certificate says so by an alert after the
// handshake, in TLS 1.3, and closes: whoever writes first hears of the closing alone.
func (c *held) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && c.holder.read.Load() == 0 {
		if alert := c.alert(); alert != nil {
			err = alert
		}
	}
	return n, err
}

// alertWait is how long to wait for an alert. It is there already, if at all.
const alertWait = 100 * time.Millisecond

// alert gives the alert that the peer has closed the connection with, nil if there
// is none. The connection is of no more use.
func (c *held) alert() error {
	if c.Conn.SetReadDeadline(time.Now().Add(alertWait)) == nil {
		if _, err := c.Conn.Read(make([]byte, 1)); IsAlert(err) {
			return err
		}
	}
	return nil
}

// IsAlert tells whether an error is a TLS alert of the peer's.
func IsAlert(err error) bool {
	var op *net.OpError
	ok := errors.As(err, &op)
	return ok && op.Op == "remote error" // as crypto/tls has it
}

// key is the Holder's key among the attributes of an address.
type key struct{}

// With gives the address with a Holder among its attributes.
func With(address resolver.Address, h *Holder) resolver.Address {
	address.Attributes = address.Attributes.WithValue(key{}, h)
	return address
}
