package link

import (
	"io"
	"net"
	"sync"
)

// Link forwards connections to a server. While it is cut, nothing passes in either
// direction, and no connection is ended. Its methods are safe for concurrent use.
type Link struct {
	listener         net.Listener
	network, address string // of the server
	forwards         sync.WaitGroup

	mu    sync.Mutex
	whole chan struct{} // closed while the link is whole
	conns map[net.Conn]struct{}
	over  bool
}

// New listens at an address, and forwards to another one of the same network, such as
// "tcp" or "unix".
func New(network, listenAt, address string) (*Link, error) {
	listener, err := net.Listen(network, listenAt) //nolint:noctx // it does not wait
	if err != nil {
		return nil, err
	}
	l := &Link{listener: listener, network: network, address: address, whole: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(l.whole)
	l.forwards.Go(l.accept)
	return l, nil
}

// Address is where the link listens.
func (l *Link) Address() string { return l.listener.Addr().String() }

// Cut stops forwarding until Mend.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.whole:
		l.whole = make(chan struct{})
	default: // it is cut already
	}
}

// Mend ends Cut. What was sent in the meantime arrives.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.whole:
	default:
		close(l.whole)
	}
}

// Close ends all connections, and waits until nothing is forwarded any more. It may be
// called more than once.
func (l *Link) Close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.over = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.Mend()
	l.forwards.Wait()
}

func (l *Link) accept() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return // Close
		}
		l.forwards.Go(func() { l.forward(from) })
	}
}

func (l *Link) forward(from net.Conn) {
	if !l.keep(from) {
		return
	}
	defer l.drop(from)
	l.wait()
	to, err := net.Dial(l.network, l.address) //nolint:noctx // on this machine
	if err != nil || !l.keep(to) {
		return
	}
	defer l.drop(to)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, _ = io.Copy(gate{way[1], l}, way[0]) // the end of either ends both
			l.wait()
			l.drop(from)
			l.drop(to)
		})
	}
	both.Wait()
}

// gate is a connection whose writes wait while the link is cut.
type gate struct {
	net.Conn

	link *Link
}

func (g gate) Write(p []byte) (int, error) {
	g.link.wait()
	return g.Conn.Write(p)
}

// wait waits while the link is cut.
func (l *Link) wait() {
	l.mu.Lock()
	whole := l.whole
	l.mu.Unlock()
	<-whole
}

func (l *Link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		_ = c.Close()
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	_ = c.Close()
}
