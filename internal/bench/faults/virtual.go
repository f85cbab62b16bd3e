package faults

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// virtual is a virtual address, as of a balancer that passes on connections. New
// connections lead to one server or, while it is turned, to another one. Those that
// exist stay where they are.
type virtual struct {
	listener net.Listener
	servers  [2]string
	running  sync.WaitGroup // all goroutines

	mu     sync.Mutex
	turned bool
	closed bool
	conns  map[net.Conn]struct{}
}

// newVirtual returns a virtual address of two servers.
func newVirtual(ctx context.Context, first, second string) (*virtual, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &virtual{listener: l, servers: [2]string{first, second}, conns: make(map[net.Conn]struct{})}
	v.running.Go(v.accept)
	return v, nil
}

func (v *virtual) address() string { return v.listener.Addr().String() }

// turn sets whether new connections lead to the second server.
func (v *virtual) turn(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.turned = on
}

func (v *virtual) accept() {
	for {
		near, err := v.listener.Accept()
		if err != nil {
			return // it is closed
		}
		v.running.Go(func() { v.pass(near) })
	}
}

// pass passes on what the ends of a connection send, until one of them closes it.
func (v *virtual) pass(near net.Conn) {
	defer v.forget(near)
	if !v.keep(near) {
		return
	}
	v.mu.Lock()
	server := v.servers[0]
	if v.turned {
		server = v.servers[1]
	}
	v.mu.Unlock()
	far, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", server)
	if err != nil {
		return
	}
	defer v.forget(far)
	if !v.keep(far) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(near, far) // either end may be gone
		_ = near.Close()
	})
	_, _ = io.Copy(far, near)
	_ = far.Close()
	back.Wait()
}

// keep notes a connection, so that close closes it. It returns false if it is too late.
func (v *virtual) keep(c net.Conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.conns[c] = struct{}{}
	return !v.closed
}

func (v *virtual) forget(c net.Conn) {
	v.mu.Lock()
	delete(v.conns, c)
	v.mu.Unlock()
	_ = c.Close()
}

// close closes all connections, and waits for the goroutines. It may be called more than
// once, and on nil.
func (v *virtual) close() {
	if v == nil {
		return
	}
	_ = v.listener.Close()
	v.mu.Lock()
	v.closed = true
	for c := range v.conns {
		_ = c.Close()
	}
	v.mu.Unlock()
	v.running.Wait()
}

// turning turns the virtual address as well, at once.
func turning(on bool, harm act) act {
	return func(ctx context.Context, st *stage, r *replica) (time.Time, error) {
		st.virtual.turn(on)
		return harm(ctx, st, r)
	}
}
