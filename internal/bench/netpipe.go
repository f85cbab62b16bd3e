package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// dialer makes the connections of a channel.
type dialer func(ctx context.Context, address string) (net.Conn, error)

// channel is a real grpc channel with one policy under the observer.
type channel struct {
	conn     *grpc.ClientConn
	progress *progress
}

// endpointAddress is the address of the i-th endpoint in the suites that have no
// real servers.
func endpointAddress(i int) string { return fmt.Sprintf("endpoint%05d:1", i) }

func addresses(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = endpointAddress(i)
	}
	return out
}

// stateOf is a resolver's state with an endpoint at each address. The base
// package reads the addresses, all others the endpoints.
func stateOf(addresses []string) resolver.State {
	n := len(addresses)
	s := resolver.State{Addresses: make([]resolver.Address, n), Endpoints: make([]resolver.Endpoint, n)}
	for i, a := range addresses {
		s.Addresses[i] = resolver.Address{Addr: a}
		s.Endpoints[i] = resolver.Endpoint{Addresses: s.Addresses[i : i+1 : i+1]}
	}
	return s
}

// openChannel makes a channel to the addresses and makes it connect. A nil dialer
// means TCP.
func openChannel(p policy, addresses []string, dial dialer) (*channel, error) {
	c := &channel{progress: newProgress()}
	source := manual.NewBuilderWithScheme("bench")
	source.InitialState(withProgress(stateOf(addresses), c.progress))
	opts := []grpc.DialOption{
		grpc.WithResolvers(source), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(p.serviceConfig()), grpc.WithIdleTimeout(0), grpc.WithNoProxy(),
	}
	if dial != nil {
		opts = append(opts, grpc.WithContextDialer(dial))
	}
	conn, err := grpc.NewClient("bench:///servers", opts...)
	if err != nil {
		return nil, fmt.Errorf("a channel with the service config %s: %w", p.serviceConfig(), err)
	}
	c.conn = conn
	conn.Connect()
	return c, nil
}

// dialSettings returns connections to a server that only sets up HTTP/2: the
// cheapest peer with which a SubConn becomes READY.
func dialSettings(context.Context, string) (net.Conn, error) {
	return &settingsConn{script: settingsScript, closed: make(chan struct{})}, nil
}

// settingsScript is everything that the server sends: an empty SETTINGS frame, and
// the acknowledgement of the client's. A frame's header is the length in three
// bytes, the type, the flags, and the stream in four bytes.
var settingsScript = []byte{
	0, 0, 0, 4, 0, 0, 0, 0, 0,
	0, 0, 0, 4, 1, 0, 0, 0, 0,
}

// settingsConn is the client's end of such a connection. It needs no goroutine:
// writes are dropped, reads return the script, and further reads wait until the
// connection is closed.
type settingsConn struct {
	mu     sync.Mutex
	script []byte

	once   sync.Once
	closed chan struct{}
}

func (c *settingsConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	n := copy(p, c.script)
	c.script = c.script[n:]
	c.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	<-c.closed
	return 0, io.EOF
}

func (c *settingsConn) Write(p []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
		return len(p), nil
	}
}

func (c *settingsConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (*settingsConn) LocalAddr() net.Addr              { return benchAddr{} }
func (*settingsConn) RemoteAddr() net.Addr             { return benchAddr{} }
func (*settingsConn) SetDeadline(time.Time) error      { return nil }
func (*settingsConn) SetReadDeadline(time.Time) error  { return nil }
func (*settingsConn) SetWriteDeadline(time.Time) error { return nil }

type benchAddr struct{}

func (benchAddr) Network() string { return "bench" }
func (benchAddr) String() string  { return "bench" }
