package healthcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cantonlb/cantonlb/report"
)

var plain = grpc.WithTransportCredentials(insecure.NewCredentials())

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, address, service string, opts ...grpc.DialOption) Probe {
	t.Helper()
	p, err := DialGRPC(address, service, GRPCOptions{}, append([]grpc.DialOption{plain}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { closeProbe(t, p) })
	return p
}

func closeProbe(t *testing.T, p Probe) {
	t.Helper()
	c, ok := p.(io.Closer)
	require.True(t, ok, "its owner must be able to close it")
	assert.NoError(t, c.Close())
}

// listen runs a real health server on a loopback address.
func listen(t *testing.T, address string) (string, *health.Server, func()) {
	t.Helper()
	lis, err := net.Listen("tcp", address)
	require.NoError(t, err)
	s, h := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(s, h)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(lis) }()
	stop := func() { s.Stop(); <-done }
	t.Cleanup(stop)
	return lis.Addr().String(), h, stop
}

func TestADialledProbeFollowsAServerThroughARestart(t *testing.T) {
	address, h, stop := listen(t, "127.0.0.1:0")
	p := dial(t, address, "")
	assert.Equal(t, report.KindGRPCCheck, p.Kind())
	assert.Equal(t, `grpc service "" at `+address, p.Target())
	ctx := bounded(t)
	assert.Equal(t, report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""}, p.Probe(ctx))
	h.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	assert.Equal(t, report.Verdict{Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: ""}, p.Probe(ctx))
	assert.Equal(t, report.ReasonUnknownService, dial(t, address, "nobody").Probe(ctx).Reason)

	stop()
	var v report.Verdict
	require.Eventually(t, func() bool { v = p.Probe(ctx); return v.Reason == report.ReasonConnectFailed }, 10*time.Second, time.Millisecond)
	assert.Equal(t, report.Failed, v.Outcome)
	assert.Contains(t, v.Detail, "refused")

	listen(t, address)
	assert.Equal(t, report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""}, p.Probe(ctx), "the first probe after the restart finds it")
}

func TestADialledProbeMakesANewConnectionAfterATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := bufconn.Listen(1 << 16)
		defer func() { _ = lis.Close() }()
		var dials atomic.Int32
		dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			dials.Add(1)
			return lis.DialContext(ctx)
		})
		accepted := make(chan net.Conn, 8)
		go func() { // a server that accepts and never says a word
			for {
				c, err := lis.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- c
			}
		}()
		p := dial(t, "bufconn", "", dialer)
		for i := range int32(3) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: "no connection, or no stream on it, before the deadline"}, p.Probe(ctx))
			cancel()
			assert.Equal(t, i+1, dials.Load(), "one connection a probe, none in between")
			synctest.Wait()
			_ = (<-accepted).Close()
		}
	})
}

func TestADialledProbeKeepsItsConnectionWhileItIsAnswered(t *testing.T) {
	address, h, _ := listen(t, "127.0.0.1:0")
	var dials atomic.Int32
	p := dial(t, address, "", grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, "tcp", a)
	}))
	for range 5 {
		require.Equal(t, report.Serving, p.Probe(bounded(t)).Outcome)
	}
	h.Shutdown()
	require.Equal(t, report.NotServing, p.Probe(bounded(t)).Outcome)
	assert.EqualValues(t, 1, dials.Load())
}

func TestAClosedDialledProbeSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := bufconn.Listen(1 << 16)
		defer func() { _ = lis.Close() }()
		p := dial(t, "bufconn", "", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.DialContext(ctx) // no connection is accepted: it hangs until ctx ends
		}))
		got := make(chan report.Verdict, 1)
		go func() { got <- p.Probe(t.Context()) }()
		synctest.Wait()
		closeProbe(t, p)
		closeProbe(t, p) // twice is fine
		want := report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled, Detail: "the probe is closed"}
		assert.Equal(t, want, <-got)
		assert.Equal(t, want, p.Probe(t.Context()))
	})
}

func TestDialGRPCNamesABadAddressOrOption(t *testing.T) {
	_, err := DialGRPC("", "", GRPCOptions{}, plain)
	require.EqualError(t, err, `address "": want host:port, such as "10.0.0.1:10043"`)
	_, err = DialGRPC("10.0.0.1:1", "", GRPCOptions{})
	require.ErrorContains(t, err, `address "10.0.0.1:1": grpc: no transport security set`)
}

// Zones of IPv6 addresses and names of sockets are no parts of a URL.
func TestAProbeDialsTheAddressAsItIs(t *testing.T) {
	for _, address := range []string{"[fe80::1%eth0]:1", "a#b?c:1", "unix:///tmp/a b%41.sock"} {
		var dialed atomic.Value
		p := dial(t, address, "", grpc.WithContextDialer(func(_ context.Context, a string) (net.Conn, error) {
			dialed.Store(a)
			return nil, errors.New("not today")
		}))
		v := p.Probe(bounded(t))
		assert.Equal(t, report.ReasonConnectFailed, v.Reason, "%v", v)
		assert.Equal(t, address, dialed.Load())
		closeProbe(t, p)
	}
}

func TestADialledProbeWatchesOnItsConnection(t *testing.T) {
	address, h, stop := listen(t, "127.0.0.1:0")
	p := dial(t, address, "")
	w, ok := p.(Watcher)
	require.True(t, ok)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	pushes, end := make(chan report.Verdict, 10), make(chan report.Verdict, 1)
	go func() { end <- w.Watch(ctx, func(v report.Verdict) { pushes <- v }) }()
	assert.Equal(t, report.Serving, (<-pushes).Outcome)
	h.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	assert.Equal(t, report.NotServing, (<-pushes).Outcome)
	stop()
	assert.Equal(t, report.Inconclusive, (<-end).Outcome)

	closeProbe(t, p)
	assert.Equal(t, report.ReasonCanceled, w.Watch(ctx, nil).Reason)
}

// cuttingServer closes its connections during the first so many calls.
type cuttingServer struct {
	healthpb.UnimplementedHealthServer

	net.Listener
	conns chan net.Conn
	cuts  atomic.Int32
}

func (s *cuttingServer) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err == nil {
		s.conns <- conn
	}
	return conn, err
}

func (s *cuttingServer) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	conn := <-s.conns
	if s.cuts.Add(-1) >= 0 {
		_ = conn.Close()
		<-ctx.Done()
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func TestADialledProbeThatIsCutOffIsMadeOnceMore(t *testing.T) {
	for cuts, want := range map[int32]report.Outcome{1: report.Serving, 2: report.Failed} {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := &cuttingServer{Listener: lis, conns: make(chan net.Conn, 10)}
		server.cuts.Store(cuts)
		s := grpc.NewServer()
		healthpb.RegisterHealthServer(s, server)
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Serve(server) }()
		v := dial(t, lis.Addr().String(), "").Probe(bounded(t))
		assert.Equal(t, want, v.Outcome, "%d: %v", cuts, v)
		s.Stop()
		<-done
	}
}
