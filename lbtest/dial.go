package lbtest

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Dialer returns the function that connects to a server by its address, for
// grpc.WithContextDialer and the like. A server that is down refuses with
// ECONNREFUSED, also on bufconn. A dial to a partitioned server waits until ctx
// ends or the partition is healed.
//
// On TCP, other addresses are dialed by a [net.Dialer]. On bufconn, they are an
// error.
func (c *Cluster) Dialer() func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		if at, ok := c.byAddr[addr]; ok {
			return at.server.dial(ctx, at.port)
		}
		if c.tcp {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}

		return nil, fmt.Errorf("lbtest: address %q: want one of Addrs(), such as %q", addr, c.servers[0].Addr())
	}
}

// DialOptions returns what grpc.NewClient needs to reach the servers: the
// dialer, no proxy, and insecure credentials, unless the cluster was made WithTLS.
// Credentials that the caller appends replace these.
func (c *Cluster) DialOptions() []grpc.DialOption {
	opts := []grpc.DialOption{grpc.WithContextDialer(c.Dialer()), grpc.WithNoProxy()}
	if !c.secure {
		opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}

	return opts
}

// dial connects to the server in its current state.
func (s *Server) dial(ctx context.Context, port port) (net.Conn, error) {
	if !s.cut.wait(ctx.Done()) {
		return nil, s.dialError(port, ctx.Err())
	}
	if s.set.tcp {
		return new(net.Dialer).DialContext(ctx, "tcp", s.addrs[port])
	}

	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	if run == nil {
		return nil, s.dialError(port, syscall.ECONNREFUSED)
	}

	conn, err := run.ports[port].lis.memory.dial(ctx)
	switch {
	case err == nil:
		return &memoryConn{Conn: conn, remote: memoryAddr(s.addrs[port])}, nil
	case ctx.Err() != nil:
		return nil, s.dialError(port, ctx.Err())
	default: // the listener has been closed
		return nil, s.dialError(port, syscall.ECONNREFUSED)
	}
}

func (s *Server) dialError(port port, err error) error {
	addr := memoryAddr(s.addrs[port])

	return &net.OpError{Op: "dial", Net: addr.Network(), Addr: addr, Err: err}
}

// memoryConn is the client's half of a bufconn connection. Its remote address names
// the server.
type memoryConn struct {
	net.Conn

	remote net.Addr
}

func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

type memoryAddr string

func (memoryAddr) Network() string  { return "bufconn" }
func (a memoryAddr) String() string { return string(a) }
