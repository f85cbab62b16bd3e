package lbtest

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/test/bufconn"
)

// making is held while a connection in memory is made. bufconn then makes timers that
// fire at once. In a bubble of testing/synctest that crashes the race detector of Go
// 1.26 if two goroutines do so at the same time: see golang.org/issue/78156.
var making sync.Mutex

// memoryListener is a listener for connections in memory.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// dial returns the client's half of a new connection, when its other half has been
// accepted.
func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	client, server, err := newMemoryConn()
	if err != nil {
		return nil, err
	}
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// newMemoryConn returns both halves of a connection. It waits for nothing but the
// goroutine that it starts, so that it may be called in any bubble.
func newMemoryConn() (client, server net.Conn, err error) {
	making.Lock()
	defer making.Unlock()
	lis := bufconn.Listen(bufferSize)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := lis.Accept() // it is never closed
		accepted <- c
	}()
	client, err = lis.Dial()
	if err != nil {
		return nil, nil, err
	}

	return client, <-accepted, nil
}

// Accept returns the server's half of the next connection.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses further connections.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })

	return nil
}

// Addr returns no particular address; listener.Addr names the server.
func (l *memoryListener) Addr() net.Addr { return memoryAddr("") }
