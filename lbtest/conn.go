package lbtest

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// backlog is how many connections can wait for a hung server before further
	// dials block.
	backlog = 128
	// bufferSize is the size of a bufconn connection's buffer in each direction, in
	// bytes.
	bufferSize = 64 << 10
	// acceptRetry is the pause after Accept failed for lack of resources.
	acceptRetry = 5 * time.Millisecond
)

// listener accepts connections for a process. Like a kernel, it completes
// connections by itself (run), even while the server hangs and does not accept them
// (Accept).
type listener struct {
	inner  net.Listener
	memory *memoryListener // inner, if in memory
	proc   *process
	port   port
	queue  chan *conn
	closed chan struct{}
	once   sync.Once
}

func newListener(inner net.Listener, proc *process, port port) *listener {
	memory, _ := inner.(*memoryListener)

	return &listener{
		inner: inner, memory: memory, proc: proc, port: port,
		queue: make(chan *conn, backlog), closed: make(chan struct{}),
	}
}

// run queues new connections until the listener is closed.
func (l *listener) run() {
	defer l.drain()
	for {
		raw, err := l.inner.Accept()
		if err != nil {
			select {
			case <-l.closed:
				return
			case <-time.After(acceptRetry):
				continue
			}
		}

		c := l.proc.server.adopt(l, raw)
		if c == nil {
			return
		}
		select {
		case l.queue <- c:
		case <-l.closed:
			_ = c.Close() // the client notices in any case

			return
		}
	}
}

func (l *listener) drain() {
	for {
		select {
		case c := <-l.queue:
			_ = c.Close() // the client notices in any case
		default:
			return
		}
	}
}

// Accept returns the server's next connection. It waits while the server hangs.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		if !l.proc.hung.wait(l.closed) {
			_ = c.Close() // the client notices in any case

			return nil, net.ErrClosed
		}

		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses further connections. Accepted connections stay open.
func (l *listener) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = l.inner.Close()
	})

	return err
}

// Addr returns the server's address.
func (l *listener) Addr() net.Addr {
	if l.memory != nil {
		return memoryAddr(l.proc.server.addrs[l.port])
	}

	return l.inner.Addr()
}

// conn is the server's half of a connection. While the server hangs or is
// partitioned, Read and Write wait.
type conn struct {
	net.Conn

	proc   *process
	port   port
	closed chan struct{}
}

// pass waits until bytes may move, and fails if the connection is closed first.
func (c *conn) pass() error {
	hung, cut := &c.proc.hung, &c.proc.server.cut
	for !hung.isOpen() || !cut.isOpen() {
		if !hung.wait(c.closed) || !cut.wait(c.closed) {
			return net.ErrClosed
		}
	}

	select {
	case <-c.closed:
		return net.ErrClosed
	default:
		return nil
	}
}

// Read reads. Data that arrives while the server hangs is held back until Resume,
// even if this Read began earlier.
func (c *conn) Read(b []byte) (int, error) {
	if err := c.pass(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if err := c.pass(); err != nil {
		return 0, err
	}

	return n, err
}

// Write writes, and waits while the server hangs or is partitioned.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.pass(); err != nil {
		return 0, err
	}

	return c.Conn.Write(b)
}

// SetDeadline sets the deadlines of Read and Write.
func (c *conn) SetDeadline(t time.Time) error { return c.whileOpen(c.Conn.SetDeadline, t) }

// SetReadDeadline sets the deadline of Read.
func (c *conn) SetReadDeadline(t time.Time) error { return c.whileOpen(c.Conn.SetReadDeadline, t) }

// whileOpen calls set unless the connection is closed, so that a late deadline does
// not replace the one that dropLocked set.
func (c *conn) whileOpen(set func(time.Time) error, t time.Time) error {
	s := c.proc.server
	s.mu.Lock()
	defer s.mu.Unlock()

	if _, ok := s.conns[c]; !ok {
		return net.ErrClosed
	}

	return set(t)
}

// Close closes the connection. A client behind a partition learns of it when
// the partition is healed.
func (c *conn) Close() error {
	s := c.proc.server
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.dropLocked(c, !s.aliveLocked(c.proc))
}

// adopt registers a connection with the running process. It returns nil, and resets
// the connection, if the process has ended.
func (s *Server) adopt(l *listener, raw net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()

	c := &conn{Conn: raw, proc: l.proc, port: l.port, closed: make(chan struct{})}
	s.conns[c] = struct{}{}
	if !s.aliveLocked(l.proc) {
		_ = s.dropLocked(c, true) // no one is left to receive the error

		return nil
	}
	if c.port == callPort {
		s.counts.totalConns++
	}
	s.changeLocked()

	return c
}

// dropLocked closes a connection once; abruptly means by a reset on TCP, as the
// kernel does for a killed process that left bytes unread.
func (s *Server) dropLocked(c *conn, abruptly bool) error {
	if _, ok := s.conns[c]; !ok {
		return nil
	}
	delete(s.conns, c)
	close(c.closed)
	s.changeLocked()

	var linger error
	if tcp, ok := c.Conn.(*net.TCPConn); ok && abruptly {
		linger = tcp.SetLinger(0)
	}
	if s.cut.isOpen() {
		return errors.Join(linger, c.Conn.Close())
	}

	// The peer must not notice yet, but the server's own Read has to return.
	s.unseen = append(s.unseen, c.Conn)

	return errors.Join(linger, c.Conn.SetDeadline(time.Unix(1, 0)))
}
