package cantonlb_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// paths is a dialer to the servers of a cluster that makes what lies between: slow
// links, devices that forget connections, and virtual addresses.
type paths struct {
	dial     func(context.Context, string) (net.Conn, error)
	down, up int // bytes a second towards the client and the server; 0 means no limit

	mu    sync.Mutex
	leads map[string]string // where new connections to an address lead
	conns map[string][]*pathConn
}

func newPaths(c *lbtest.Cluster) *paths {
	return &paths{dial: c.Dialer(), leads: make(map[string]string), conns: make(map[string][]*pathConn)}
}

func (p *paths) option() grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		p.mu.Lock()
		to, redirected := p.leads[address]
		p.mu.Unlock()
		if !redirected {
			to = address
		}
		conn, err := p.dial(ctx, to)
		if err != nil {
			return nil, err
		}
		c := &pathConn{Conn: conn, paths: p, gone: make(chan struct{}), closed: make(chan struct{})}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.conns[address] = append(p.conns[address], c)
		return c, nil
	})
}

// lead makes new connections to an address lead to another one.
func (p *paths) lead(from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leads[from] = to
}

// forget makes the present connections to an address pass nothing any more.
func (p *paths) forget(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns[address] {
		close(c.gone)
	}
	delete(p.conns, address)
}

// pathConn is a connection made by paths.
type pathConn struct {
	net.Conn

	paths  *paths
	gone   chan struct{} // closed when nothing passes any more
	closed chan struct{}
	once   sync.Once
}

func (c *pathConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(len(b), 4<<10)])
	c.pass(n, c.paths.down)
	select {
	case <-c.gone:
		<-c.closed
		return 0, io.ErrClosedPipe
	default:
		return n, err
	}
}

func (c *pathConn) Write(b []byte) (int, error) {
	for sent := 0; sent < len(b); {
		select {
		case <-c.gone:
			return len(b), nil
		default:
		}
		n, err := c.Conn.Write(b[sent:min(len(b), sent+4<<10)])
		c.pass(n, c.paths.up)
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return len(b), nil
}

func (c *pathConn) pass(n, rate int) {
	if rate > 0 {
		time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
	}
}

func (c *pathConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// wentOut returns when the endpoint first became unhealthy, and why.
func wentOut(client *cantonlb.Client, name string) (time.Time, report.Reason) {
	for _, e := range client.Events() {
		if e.Endpoint == name && e.To == cantonlb.StateUnhealthy {
			return e.At, e.Reason
		}
	}
	return time.Time{}, report.ReasonNone
}

func TestAForgottenConnectionIsFoundWhereverHealthIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		health func(*lbtest.Server) cantonlb.HealthTarget
		why    report.Reason
	}{
		"on the connection of the calls": {func(*lbtest.Server) cantonlb.HealthTarget { return cantonlb.HealthTarget{} }, report.ReasonProbeTimeout},
		"on another port":                {func(*lbtest.Server) cantonlb.HealthTarget { return cantonlb.HealthTarget{GRPCPort: 2} }, report.ReasonSilence},
		"over HTTP": {
			func(s *lbtest.Server) cantonlb.HealthTarget { return cantonlb.HealthTarget{HTTP: s.HealthPageURL()} }, report.ReasonSilence,
		},
		"by TCP": {func(s *lbtest.Server) cantonlb.HealthTarget { return cantonlb.HealthTarget{TCP: s.HealthAddr()} }, report.ReasonSilence},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithHealthPort(), lbtest.WithHealthPage())
				p := newPaths(cluster)
				cfg := cantonlb.Config{Idempotent: []string{lbtest.EchoMethod}}
				for i, address := range cluster.Addrs() {
					cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{
						Name: cluster.Names()[i], Address: "http://" + address, Health: c.health(cluster.Server(i)),
					})
				}
				client, err := cantonlb.NewClient(cfg, p.option())
				require.NoError(t, err)
				defer client.Close()
				require.NoError(t, client.WaitHealthy(t.Context(), 2))
				time.Sleep(time.Minute) // no call uses the connection, so it is forgotten
				p.forget(cluster.Addrs()[0])
				forgotten := time.Now()
				var wg sync.WaitGroup
				for range 250 { // 5 s
					wg.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
						defer cancel()
						_, err := lbtest.Echo(ctx, client, "x")
						assert.NoError(t, err)
					})
					time.Sleep(20 * time.Millisecond)
				}
				wg.Wait()
				out, why := wentOut(client, "server0")
				assert.Equal(t, c.why, why)
				assert.Less(t, out.Sub(forgotten), 1300*time.Millisecond)
				assert.Equal(t, 2, client.Status().Eligible(), "there is a new connection")
			})
		})
	}
}

func TestAQuietConnectionIsForgottenAndFoundBeforeItsStreamsWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithHealthPort())
		p := newPaths(cluster)
		client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{
			Name: "server0", Address: "http://" + cluster.Addrs()[0], Health: cantonlb.HealthTarget{GRPCPort: 2},
		}}}, p.option())
		require.NoError(t, err)
		defer client.Close()
		require.NoError(t, client.WaitHealthy(t.Context(), 1))
		stream, err := lbtest.Ticks(t.Context(), client, time.Hour)
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		p.forget(cluster.Addrs()[0])
		forgotten := time.Now()
		_, err = stream.Recv()
		require.Error(t, err)
		assert.Less(t, time.Since(forgotten), 5*time.Second)
	})
}

func TestALargeMessageOverASlowLinkIsNoSignOfADeadServer(t *testing.T) {
	const rate, size = 256 << 10, 2 << 20
	for name, c := range map[string]struct {
		down, up  int
		elsewhere bool
	}{
		"an answer": {down: rate}, "a request": {up: rate}, "both": {down: rate, up: rate},
		"an answer, health elsewhere": {down: rate, elsewhere: true}, "a request, health elsewhere": {up: rate, elsewhere: true},
	} {
		for _, idempotent := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithHealthPort())
					p := newPaths(cluster)
					p.down, p.up = c.down, c.up
					cfg := cantonlb.Config{}
					for i, address := range cluster.Addrs() {
						e := cantonlb.Endpoint{Name: cluster.Names()[i], Address: "http://" + address}
						if c.elsewhere {
							e.Health.GRPCPort = 2
						}
						cfg.Endpoints = append(cfg.Endpoints, e)
					}
					if idempotent {
						cfg.Idempotent = []string{lbtest.EchoMethod}
					}
					client, err := cantonlb.NewClient(cfg, p.option())
					require.NoError(t, err)
					defer client.Close()
					require.NoError(t, client.WaitHealthy(t.Context(), 2))
					begun := time.Now()
					text, err := lbtest.Echo(t.Context(), client, strings.Repeat("x", size))
					require.NoError(t, err)
					assert.Len(t, text, size)
					assert.Greater(t, time.Since(begun), size/rate*time.Second-time.Second)
					assert.Equal(t, 1, cluster.Calls(0)+cluster.Calls(1))
					neverOut(t, client)
				})
			})
		}
	}
}

// neverOut asserts that no endpoint was ever unhealthy or ejected, and all are eligible.
func neverOut(t *testing.T, client *cantonlb.Client) {
	t.Helper()
	for _, e := range client.Events() {
		assert.NotContains(t, []any{cantonlb.StateUnhealthy, cantonlb.StateEjected}, e.To, "%v", e)
	}
	s := client.Status()
	assert.Equal(t, len(s.Endpoints), s.Eligible())
}

// flowing returns a client of one server, to which a stream flows, and a function that
// returns how many messages have come. The server then answers no check any more.
func flowing(t *testing.T, cluster *lbtest.Cluster, p *paths) (client *cantonlb.Client, messages func() int) {
	t.Helper()
	client, err := cantonlb.NewClient(cantonlb.Config{
		Endpoints:   []cantonlb.Endpoint{{Name: "server0", Address: "http://" + cluster.Addrs()[0]}},
		HealthCheck: healthcheck.Config{NoWatch: true},
	}, p.option())
	require.NoError(t, err)
	require.NoError(t, client.WaitHealthy(t.Context(), 1))
	stream, err := lbtest.Ticks(t.Context(), client, 10*time.Millisecond)
	require.NoError(t, err)
	var n atomic.Int64
	go func() {
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
			n.Add(1)
		}
	}()
	time.Sleep(10 * time.Second)
	cluster.SetHealthLatency(0, time.Hour)
	return client, func() int { return int(n.Load()) }
}

// A proxy passes on what one backend sends, and the one behind it that answers checks
// hangs.
func TestAServerThatAnswersNoChecksWhileStreamsFlowIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client, messages := flowing(t, cluster, newPaths(cluster))
		defer client.Close()
		hung := time.Now()
		time.Sleep(5 * time.Second)
		out, why := wentOut(client, "server0")
		assert.Equal(t, report.ReasonProbeTimeout, why)
		assert.Less(t, out.Sub(hung), 2800*time.Millisecond, "interval + timeout + 4 timeouts")
		before := messages()
		time.Sleep(10 * time.Second)
		assert.InDelta(t, before+1000, messages(), 1, "the stream is not cut")
	})
}

// The address leads to several machines, of which the one at the end of the connection
// answers no checks. Another one answers on a new connection: that is no evidence
// against the server, and the connection is replaced.
func TestAConnectionToAMachineThatAnswersNoChecksWhileStreamsFlowIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		p := newPaths(cluster)
		client, messages := flowing(t, cluster, p)
		defer client.Close()
		p.lead(cluster.Addrs()[0], cluster.Addrs()[1])
		time.Sleep(8 * time.Second)
		assert.Zero(t, cluster.Conns(1), "those that ask do not last")
		time.Sleep(8 * time.Second)
		assert.Equal(t, 1, cluster.Conns(1))
		_, err := lbtest.Echo(t.Context(), client, "x")
		require.NoError(t, err)
		assert.Equal(t, 1, cluster.Calls(1), "new calls take the new connection")
		before := messages()
		time.Sleep(time.Minute)
		assert.InDelta(t, before+6000, messages(), 1, "the stream is not cut")
		assert.Equal(t, 1, cluster.Conns(1))
		neverOut(t, client)
	})
}

// A machine behind a virtual address hangs altogether. What another machine says is no
// excuse for it, even if calls have taken all streams of the connection.
func TestAMachineThatHangsBehindAVirtualAddressIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		limit  uint32
		within time.Duration
	}{"with streams left": {1000, 1300 * time.Millisecond}, "with all streams taken": {5, 1700 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.MaxConcurrentStreams(c.limit)))
				p := newPaths(cluster)
				client, err := cantonlb.NewClient(cantonlb.Config{
					Endpoints: []cantonlb.Endpoint{
						{Name: "virtual", Address: "http://" + cluster.Addrs()[0]}, {Name: "other", Address: "http://" + cluster.Addrs()[2]},
					},
					Idempotent: []string{lbtest.EchoMethod},
				}, p.option())
				require.NoError(t, err)
				defer client.Close()
				require.NoError(t, client.WaitHealthy(t.Context(), 2))
				time.Sleep(10 * time.Second)
				p.lead(cluster.Addrs()[0], cluster.Addrs()[1])
				cluster.Hang(0)
				hung := time.Now()
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() {
						_, err := lbtest.Echo(t.Context(), client, "x")
						assert.NoError(t, err)
					})
					time.Sleep(50 * time.Millisecond)
				}
				wg.Wait()
				out, _ := wentOut(client, "virtual")
				assert.Less(t, out.Sub(hung), c.within)
				assert.Equal(t, 2, client.Status().Eligible(), "the new connection leads to another machine")
			})
		})
	}
}

func TestAStreamCausesNoEventsWhetherItIsQuietOrNot(t *testing.T) {
	for name, policy := range map[string]cantonlb.Policy{"round robin": cantonlb.HealthyRoundRobin, "active-passive": cantonlb.ActivePassive} {
		for _, every := range []time.Duration{5 * time.Millisecond, time.Second, 100 * time.Hour} {
			for _, elsewhere := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						const seconds = 60
						cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithHealthPort())
						p := newPaths(cluster)
						cfg := cantonlb.Config{Policy: policy}
						for i, address := range cluster.Addrs() {
							e := cantonlb.Endpoint{Name: cluster.Names()[i], Address: "http://" + address}
							if elsewhere {
								e.Health.GRPCPort = 2
							}
							cfg.Endpoints = append(cfg.Endpoints, e)
						}
						client, err := cantonlb.NewClient(cfg, p.option())
						require.NoError(t, err)
						defer client.Close()
						require.NoError(t, client.WaitHealthy(t.Context(), 3))
						stream, err := lbtest.Ticks(t.Context(), client, every)
						require.NoError(t, err)
						go func() {
							for err == nil {
								_, err = stream.Recv()
							}
						}()
						time.Sleep(5 * time.Second)
						events := len(client.Events())
						cluster.ResetCounts()
						time.Sleep(seconds * time.Second)
						assert.Len(t, client.Events(), events)
						streaming, others := 0, 0
						for i, e := range client.Status().Endpoints {
							if n := cluster.HealthCalls(i); e.Calls.InFlight > 0 {
								streaming = n
							} else {
								others = max(others, n)
							}
						}
						assert.LessOrEqual(t, others, seconds*5/4, "they are not probed for it")
						most := seconds * 5 / 4
						if every == time.Second || elsewhere && every > time.Second { // the connection is asked in between
							most += 2 * seconds
						}
						assert.LessOrEqual(t, streaming, most)
					})
				})
			}
		}
	}
}
