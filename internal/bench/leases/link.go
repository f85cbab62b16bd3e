//go:build unix

package leases

import (
	"io"
	"net"
	"sync"
)

// link forwards the connections of one candidate to its store. While it is cut, nothing
// passes in either direction, and no connection is ended, as behind a firewall that
// drops packets.
type link struct {
	listener net.Listener
	network  string
	address  string // of the store

	mu    sync.Mutex
	open  chan struct{} // closed while the link is whole
	conns map[net.Conn]struct{}
	over  bool
	wg    sync.WaitGroup
}

func newLink(listenAt, network, address string) (*link, error) {
	listener, err := net.Listen(network, listenAt) //nolint:noctx // it does not wait
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, network: network, address: address, open: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(l.open)
	l.wg.Go(l.accept)
	return l, nil
}

func (l *link) accept() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.wg.Go(func() { l.forward(from) })
	}
}

func (l *link) forward(from net.Conn) {
	if !l.keep(from) {
		return
	}
	defer l.drop(from)
	l.pass()
	to, err := net.Dial(l.network, l.address) //nolint:noctx // loopback
	if err != nil || !l.keep(to) {
		return
	}
	defer l.drop(to)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, _ = io.Copy(gate{l, way[1]}, way[0]) // the end of either ends both
			l.pass()
			l.drop(from)
			l.drop(to)
		})
	}
	both.Wait()
}

// gate is a connection whose writes wait while the link is cut.
type gate struct {
	link *link
	net.Conn
}

func (g gate) Write(p []byte) (int, error) {
	g.link.pass()
	return g.Conn.Write(p)
}

// pass waits while the link is cut.
func (l *link) pass() {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	<-open
}

func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		_ = c.Close()
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	_ = c.Close()
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

func (l *link) close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.over = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.mend()
	l.wg.Wait()
}
