package cantonlb_test

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// farAway is a dialer to servers with a delay of way in each direction, which also
// applies to the setup of the connection.
func farAway(c *lbtest.Cluster, way func() time.Duration) grpc.DialOption {
	dial := c.Dialer()
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		timer := time.NewTimer(way() + way())
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		conn, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return newFarConn(conn, way), nil
	})
}

// farConn is a connection on which bytes arrive late, in order.
type farConn struct {
	net.Conn

	way     func() time.Duration
	in, out chan late
	rest    []byte // of what Read has begun; for Read alone
	closed  chan struct{}
	once    sync.Once
}

// late are bytes, or the end, that arrive at a time.
type late struct {
	data []byte
	err  error
	at   time.Time
}

func newFarConn(conn net.Conn, way func() time.Duration) *farConn {
	c := &farConn{Conn: conn, way: way, in: make(chan late, 1024), out: make(chan late, 1024), closed: make(chan struct{})}
	go func() {
		for {
			buf := make([]byte, 32<<10)
			n, err := conn.Read(buf)
			if c.send(c.in, late{data: buf[:n], err: err, at: time.Now().Add(way())}); err != nil {
				return
			}
		}
	}()
	go func() {
		for {
			l, ok := c.take(c.out)
			if !ok {
				return
			}
			if _, err := conn.Write(l.data); err != nil {
				_ = c.Close()
				return
			}
		}
	}()
	return c
}

func (c *farConn) send(to chan<- late, l late) bool {
	select {
	case to <- l:
		return true
	case <-c.closed:
		return false
	}
}

// take waits until the next bytes have arrived.
func (c *farConn) take(from <-chan late) (late, bool) {
	select {
	case l := <-from:
		timer := time.NewTimer(time.Until(l.at))
		defer timer.Stop()
		select {
		case <-timer.C:
			return l, true
		case <-c.closed:
		}
	case <-c.closed:
	}
	return late{}, false
}

func (c *farConn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		l, ok := c.take(c.in)
		if !ok {
			return 0, net.ErrClosed
		}
		if c.rest = l.data; l.err != nil {
			return 0, l.err
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *farConn) Write(b []byte) (int, error) {
	if !c.send(c.out, late{data: append([]byte(nil), b...), at: time.Now().Add(c.way())}) {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

func (c *farConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// The deadlines that grpc sets are ignored: the goroutines that read and write must
// continue.
func (*farConn) SetDeadline(time.Time) error      { return nil }
func (*farConn) SetReadDeadline(time.Time) error  { return nil }
func (*farConn) SetWriteDeadline(time.Time) error { return nil }

// Under load and when idle, with Watch or without, a distant endpoint is not dead.
func TestAServerBehindAQuarterOfASecondOfNetworkIsNotCalledDead(t *testing.T) {
	for name, way := range map[string]func() time.Duration{
		"steady":  func() time.Duration { return 125 * time.Millisecond },
		"jittery": func() time.Duration { return 125*time.Millisecond + rand.N(50*time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			for watched, health := range map[string]healthcheck.Config{"watched": {}, "checked": {NoWatch: true}} {
				t.Run(watched, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
						client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: health}, 2, farAway(cluster, way))
						for range 20 {
							assert.Equal(t, map[codes.Code]int{codes.OK: 20}, load(t, client, 10, 2*time.Second), "two or three at a time")
							time.Sleep(time.Second)
							assert.Equal(t, 2, client.Status().Eligible())
						}
						for i := range 2 {
							assert.Equal(t, 1, cluster.TotalConns(i), "and its connection was never given up")
						}
						if health.NoWatch {
							assert.GreaterOrEqual(t, endpoint(client.Status(), "server0").Probe.RoundTrip, 250*time.Millisecond)
						}
						for _, e := range client.Events() {
							assert.NotEqual(t, cantonlb.StateUnhealthy, e.To, "%v", e)
						}
					})
				})
			}
		})
	}
}
