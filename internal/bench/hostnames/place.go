package hostnames

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/cantonlb/cantonlb/internal/nettest"
	"github.com/cantonlb/cantonlb/lbtest"
)

// name is the name that all clients connect to.
const name = "server.example.test"

// place is what one peer meets in one case: the addresses of a name, and the name server
// that knows them. Its methods are called before the peer starts, by one goroutine.
type place struct {
	dns   *nettest.DNS
	ips   []string
	port  int           // of all addresses; 0 until the first one listens
	age   time.Duration // of connections, after which the servers end them; 0 means none
	made  atomic.Int64  // connections accepted
	tasks sync.WaitGroup
	stops []func()
	begun chan struct{} // closed when the peer starts
}

// starts notes that the peer starts.
func (p *place) starts() { close(p.begun) }

// way is what happens at an address.
type way func(ctx context.Context, p *place, ip string) error

// newPlace makes a place whose name has these addresses, at which that happens.
func newPlace(ctx context.Context, c situation, ips []string) (*place, error) {
	dns, err := nettest.ListenDNS(ctx)
	if err != nil {
		return nil, err
	}
	p := &place{dns: dns, ips: ips, age: c.age, begun: make(chan struct{})}
	p.stops = append(p.stops, func() { _ = dns.Close() }) // its error is that of a socket that is not needed any more
	order := make([]int, len(ips))
	for i := range order {
		order[i] = len(ips) - 1 - i // the last one is good, and finds a free port
	}
	for _, i := range order {
		if err := c.ways[i](ctx, p, ips[i]); err != nil {
			p.close()
			return nil, err
		}
	}
	dns.Set(name, ips...)
	dns.Become(c.dns)
	dns.Rotate(c.part)
	return p, nil
}

// close stops everything.
func (p *place) close() {
	for _, stop := range slices.Backward(p.stops) {
		stop()
	}
	p.tasks.Wait()
}

// address returns the address of a peer's only endpoint.
func (p *place) address() string { return net.JoinHostPort(name, strconv.Itoa(p.port)) }

// listen listens at an address.
func (p *place) listen(ctx context.Context, ip string) (net.Listener, error) {
	lis, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(p.port)))
	if err != nil {
		return nil, err
	}
	p.port = lis.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is one
	return &counting{lis, &p.made}, nil
}

// counting counts the connections that a listener accepts.
type counting struct {
	net.Listener

	made *atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.made.Add(1)
	}
	return conn, err
}

// serves is an address at which there is a server.
func serves(ctx context.Context, p *place, ip string) error {
	lis, err := p.listen(ctx, ip)
	if err == nil {
		p.serve(lis)
	}
	return err
}

func (p *place) serve(lis net.Listener) {
	s := grpc.NewServer(grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: p.age, MaxConnectionAgeGrace: deadline}))
	lbtest.RegisterEcho(s)
	healthpb.RegisterHealthServer(s, health.NewServer())
	p.tasks.Go(func() { _ = s.Serve(lis) }) // it ends by Stop
	p.stops = append(p.stops, s.Stop)
}

// refuses is an address at which nothing listens.
func refuses(context.Context, *place, string) error { return nil }

// hangsUp is an address that closes each connection.
func hangsUp(ctx context.Context, p *place, ip string) error {
	return p.accept(ctx, ip, func(conn net.Conn) { _ = conn.Close() })
}

// mute is an address that accepts connections and never sends anything.
func mute(ctx context.Context, p *place, ip string) error {
	return p.accept(ctx, ip, func(net.Conn) {})
}

func (p *place) accept(ctx context.Context, ip string, treat func(net.Conn)) error {
	lis, err := p.listen(ctx, ip)
	if err != nil {
		return err
	}
	var kept []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			kept = append(kept, conn)
			treat(conn)
		}
	}()
	p.stops = append(p.stops, func() {
		_ = lis.Close()
		<-ended
		for _, conn := range kept {
			_ = conn.Close() // it may be closed already
		}
	})
	return nil
}

// drops is an address that drops each SYN.
func drops(ctx context.Context, p *place, ip string) error {
	full, err := listenFull(ctx, ip, p.port)
	if err == nil {
		p.port = full.port
		p.stops = append(p.stops, full.close)
	}
	return err
}

// loss is how long an address drops packets that loses the first ones.
const loss = 500 * time.Millisecond

// loses is an address with a server that loses the first SYN, so that the connection is
// made when it has been sent again, after a second.
func loses(ctx context.Context, p *place, ip string) error {
	full, err := listenFull(ctx, ip, p.port)
	if err != nil {
		return err
	}
	p.port = full.port
	lis, err := full.listener()
	if err != nil {
		full.close()
		return err
	}
	ended := make(chan struct{})
	p.stops = append(p.stops, full.close)
	p.serve(&counting{&delayed{Listener: lis, begun: p.begun, ended: ended, open: full.open}, &p.made})
	p.stops = append(p.stops, func() { close(ended) })
	return nil
}

// delayed is a listener that accepts nothing until a while after the peer's start.
type delayed struct {
	net.Listener

	begun, ended <-chan struct{}
	open         func() error
	isOpen       bool // grpc accepts from one goroutine
}

func (l *delayed) Accept() (net.Conn, error) {
	if !l.isOpen {
		if !l.waits() {
			return nil, net.ErrClosed
		}
		l.isOpen = true
		if err := l.open(); err != nil {
			return nil, err
		}
	}
	return l.Listener.Accept()
}

// waits reports whether the time has come.
func (l *delayed) waits() bool {
	select {
	case <-l.begun:
	case <-l.ended:
		return false
	}
	select {
	case <-time.After(loss):
		return true
	case <-l.ended:
		return false
	}
}

// errNotHere is the error of a case that this system cannot make.
var errNotHere = errors.New("only Linux drops a SYN whose queue is full")
