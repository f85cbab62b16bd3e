package cantonlb_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// crowdedServer is a server that many clients connect to, up to the setup of HTTP/2,
// and that records when each client first reaches it.
type crowdedServer struct {
	mu      sync.Mutex
	up      bool
	since   time.Time
	conns   []net.Conn
	reached map[int]time.Duration // by client, after since
}

func (s *crowdedServer) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.since, s.reached = true, time.Now(), make(map[int]time.Duration)
}

// stop breaks all connections, and refuses others until start.
func (s *crowdedServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = false
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

func (s *crowdedServer) dial(client int) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up {
		return nil, syscall.ECONNREFUSED
	}
	if _, ok := s.reached[client]; !ok {
		s.reached[client] = time.Since(s.since)
	}
	near, far := net.Pipe()
	s.conns = append(s.conns, far)
	go func() {
		_, _ = far.Write(emptySettings)
		_, _ = io.Copy(io.Discard, far) // until one of the two closes it
	}()
	return near, nil
}

// fullest returns the greatest number of clients that reached the server within a
// period of this length, and the number of all clients that reached it.
func (s *crowdedServer) fullest(d time.Duration) (most, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, from := range s.reached {
		n := 0
		for _, at := range s.reached {
			if at >= from && at < from+d {
				n++
			}
		}
		most = max(most, n)
	}
	return most, len(s.reached)
}

// emptySettings is all that the server sends: an empty SETTINGS frame.
var emptySettings = []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}

// All clients lose a server at the same instant. They must not all reconnect at the
// same instant, since a starting server can handle only few.
func TestAThousandClientsDoNotReconnectInTheSameInstant(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	if testkit.RaceDetector {
		t.Skip("the race detector itself fails with so much going on in one bubble: golang.org/issue/78156")
	}
	const clients = 1000
	synctest.Test(t, func(t *testing.T) {
		server := new(crowdedServer)
		server.start()
		for i := range clients {
			client, err := cantonlb.NewClient(cantonlb.Config{
				Endpoints:   []cantonlb.Endpoint{{Name: "s", Address: "s.example:1"}},
				HealthCheck: healthcheck.Config{Disabled: true},
			}, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return server.dial(i) }))
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, client.Close()) })
			require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
		}
		for _, outage := range []time.Duration{3 * time.Second, 20 * time.Second} {
			server.stop()
			time.Sleep(outage)
			server.start()
			time.Sleep(1500 * time.Millisecond)
			most, all := server.fullest(10 * time.Millisecond)
			t.Logf("after %v: %d of %d clients are back within 1.5 s, at most %d of them within 10 ms", outage, all, clients, most)
			assert.Equal(t, clients, all)
			assert.Less(t, most, clients*6/100)
		}
	})
}

// What the program sets by grpc.WithConnectParams holds as with grpc's own policies.
func TestGRPCsConnectParamsAreHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		slow, refused := cluster.Addrs()[0], cluster.Addrs()[1]
		var dials atomic.Int32
		client, err := cantonlb.NewClient(cantonlb.Config{
			Endpoints: []cantonlb.Endpoint{{Name: "slow", Address: "http://" + slow}, {Name: "refused", Address: "http://" + refused}},
		}, append(cluster.DialOptions(),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: time.Hour, Multiplier: 1, MaxDelay: time.Hour},
				MinConnectTimeout: 20 * time.Second,
			}),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
				if addr == refused {
					dials.Add(1)
					return nil, errors.New("refused")
				}
				select {
				case <-time.After(15 * time.Second): // longer than an attempt has by default
					return cluster.Dialer()(ctx, addr)
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}))...)
		require.NoError(t, err)
		defer client.Close()
		start := time.Now()
		require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
		assert.Less(t, time.Since(start), 16*time.Second, "the first attempt has succeeded")
		time.Sleep(10 * time.Minute)
		assert.EqualValues(t, 1, dials.Load(), "there is no other attempt during the pause of an hour")
	})
}
