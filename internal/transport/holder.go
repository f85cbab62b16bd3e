package transport

import (
	"errors"
	"math"
	"net"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/tlshint"
)

// NoStreamLimit is the value of Holder.StreamLimit if the server has not announced
// a limit.
const NoStreamLimit uint32 = math.MaxUint32

// Holder holds the connection that one attempt of a SubConn has made, and knows what its
// frames show. Its zero value holds none. It is safe for concurrent use.
type Holder struct {
	observed // what the frames show

	mu     sync.Mutex
	held   *held
	remote net.Addr // where it leads
	reason error    // why it was closed; nil if it was not
	leaf   []byte   // the client's certificate, as for its handshake; nil if there is none
}

// Held reports whether a connection has been seen, so that Close would close it.
func (h *Holder) Held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held != nil
}

// Remote returns the remote address of the connection, nil if none has been seen.
func (h *Holder) Remote() net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.remote
}

// presents notes the client's certificate with which the connection was secured.
func (h *Holder) presents(leaf []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaf = leaf
}

// Presented returns the client's certificate of the connection, in DER, or nil if there
// is none.
func (h *Holder) Presented() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaf
}

// Close closes the connection; its readers receive reason. Close reports whether
// there was a connection to close.
func (h *Holder) Close(reason error) bool {
	h.mu.Lock()
	c := h.held
	if c != nil && h.reason == nil {
		h.reason = reason
	}
	h.mu.Unlock()
	if c == nil {
		return false
	}
	_ = c.Conn.Close() // the error does not matter, since the connection is no longer used
	return true
}

// hold takes the connection that a handshake has made of raw.
func (h *Holder) hold(conn, raw net.Conn) net.Conn {
	remote := conn.RemoteAddr() // without the lock: the connection may be the program's own
	h.begin(raw)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remote = remote
	h.held = &held{Conn: newOneReader(conn), holder: h, sent: newClientScanner(), turn: make(chan struct{}, 1)}
	return h.held
}

func (h *Holder) closedFor() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason
}

// held is a connection whose frames are observed, and whose readers receive the
// reason why it was closed. Like grpc's transport it allows one reader and one writer
// at a time.
type held struct {
	net.Conn

	holder   *Holder
	received scanner
	sent     scanner
	turn     chan struct{} // to write; no mutex, as in oneReader
}

func (c *held) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.holder.saw(c.received.scan(b[:n]))
	}
	if err != nil {
		if reason := c.holder.closedFor(); reason != nil {
			err = reason
		}
	}
	return n, err
}

// Write determines why a connection was closed on which nothing was ever read. In
// TLS 1.3, a server that rejects the client's certificate sends an alert after the
// handshake and closes the connection; a client that writes first sees only the
// closing.
func (c *held) Write(b []byte) (int, error) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	c.holder.data.Add(c.sent.scan(b).data) // before an answer to it can be read
	c.holder.writing.Store(int64(len(b)))
	n, err := c.Conn.Write(b)
	c.holder.writing.Store(0)
	if err != nil && c.holder.frame.Load() == 0 {
		if why := lastWords(c.Conn); why != nil {
			err = why
		}
	}
	return n, err
}

// oneReader is a connection whose reads take turns. grpc's transport makes one at a time,
// for which a connection is enough that has a bufio.Reader, as one through a proxy.
// lastWords reads beside it.
type oneReader struct {
	net.Conn

	turn chan struct{} // no mutex, for which testing/synctest would not let the time pass
}

func newOneReader(conn net.Conn) *oneReader { return &oneReader{conn, make(chan struct{}, 1)} }

func (c *oneReader) Read(b []byte) (int, error) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	return c.Conn.Read(b)
}

// lastWordsWait is how long to wait for a server's last words, which normally have
// arrived already.
const lastWordsWait = 100 * time.Millisecond

// lastWords returns the error with which the server says why it has closed the
// connection: an alert, or an answer that shows the wrong scheme. It returns nil if there
// is none. The connection cannot be used afterwards.
func lastWords(conn net.Conn) error {
	if conn.SetReadDeadline(time.Now().Add(lastWordsWait)) == nil { // for a read under way, too
		if _, err := conn.Read(make([]byte, frameHeaderLength)); tlshint.IsAlert(err) || errors.As(err, new(*HandshakeError)) {
			return err
		}
	}
	return nil
}
