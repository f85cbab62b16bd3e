package cantonlb_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	estats "google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// stuck is code of a program that hangs once it is shut, whatever its context says.
type stuck struct {
	shut atomic.Bool
	open chan struct{}
}

// newStuck returns a stuck that is opened at the end of the test.
func newStuck(t *testing.T) *stuck {
	s := &stuck{open: make(chan struct{})}
	t.Cleanup(s.release)
	return s
}

func (s *stuck) hang() {
	if s.shut.Load() {
		<-s.open
	}
}

func (s *stuck) release() {
	if s.shut.CompareAndSwap(true, false) {
		close(s.open)
	}
}

// stuckCredentials are call credentials that know no context.
type stuckCredentials struct{ *stuck }

func (s stuckCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	s.hang()
	return map[string]string{"a": "b"}, nil
}

func (stuckCredentials) RequireTransportSecurity() bool { return false }

// stuckHandshake are transport credentials that know no context.
type stuckHandshake struct {
	credentials.TransportCredentials
	*stuck
}

func (s stuckHandshake) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	s.hang()
	return s.TransportCredentials.ClientHandshake(ctx, authority, raw)
}

func (s stuckHandshake) Clone() credentials.TransportCredentials { return s }

// stuckRecorder is a recorder of grpc's metrics that hangs.
type stuckRecorder struct {
	estats.UnimplementedMetricsRecorder
	*stuck
}

func (stuckRecorder) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (stuckRecorder) HandleRPC(context.Context, stats.RPCStats)                         {}
func (stuckRecorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (stuckRecorder) HandleConn(context.Context, stats.ConnStats)                       {}

// RecordInt64Count hangs for the metrics of this library. grpc's own are recorded under
// grpc's locks.
func (s stuckRecorder) RecordInt64Count(h *estats.Int64CountHandle, _ int64, _ ...string) {
	if strings.HasPrefix(h.Descriptor().Name, "cantonlb.") {
		s.hang()
	}
}

func (s stuckRecorder) RegisterAsyncReporter(estats.AsyncMetricReporter, ...estats.AsyncMetric) func() {
	return s.hang
}

// stuckHandler is a log handler that hangs.
type stuckHandler struct{ *stuck }

func (s stuckHandler) Enabled(context.Context, slog.Level) bool  { s.hang(); return true }
func (s stuckHandler) Handle(context.Context, slog.Record) error { s.hang(); return nil }
func (s stuckHandler) WithAttrs([]slog.Attr) slog.Handler        { return s }
func (s stuckHandler) WithGroup(string) slog.Handler             { return s }

// foreign are the ways in which code of the program is called, and hangs. harm says
// that the calls on server0 cannot go on, and all that no call can.
var foreign = map[string]struct {
	use       func(cluster *lbtest.Cluster, s *stuck, cfg *cantonlb.Config) []grpc.DialOption
	harm, all bool
}{
	"credentials of an endpoint": {func(_ *lbtest.Cluster, s *stuck, cfg *cantonlb.Config) []grpc.DialOption {
		cfg.Endpoints[0].Credentials, cfg.Endpoints[0].AllowInsecureTokens = stuckCredentials{s}, true
		return nil
	}, true, false},
	"credentials of the channel": {func(_ *lbtest.Cluster, s *stuck, _ *cantonlb.Config) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithPerRPCCredentials(stuckCredentials{s})}
	}, true, true},
	"a validator": {func(_ *lbtest.Cluster, s *stuck, cfg *cantonlb.Config) []grpc.DialOption {
		cfg.Validate = func(context.Context, grpc.ClientConnInterface, cantonlb.Endpoint) cantonlb.Validation {
			s.hang()
			return cantonlb.Validation{Result: cantonlb.ValidationOK}
		}
		return nil
	}, false, false},
	"a dialer": {func(c *lbtest.Cluster, s *stuck, _ *cantonlb.Config) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			s.hang()
			return c.Dialer()(ctx, address)
		})}
	}, false, false},
	"a handshake": {func(_ *lbtest.Cluster, s *stuck, cfg *cantonlb.Config) []grpc.DialOption {
		for i := range cfg.Endpoints {
			cfg.Endpoints[i].Address = cfg.Endpoints[i].Address[len("http://"):]
		}
		return []grpc.DialOption{grpc.WithTransportCredentials(stuckHandshake{insecure.NewCredentials(), s})}
	}, false, false},
	"a recorder": {func(_ *lbtest.Cluster, s *stuck, _ *cantonlb.Config) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithStatsHandler(stuckRecorder{stuck: s})}
	}, false, false},
	"a log handler": {func(_ *lbtest.Cluster, s *stuck, cfg *cantonlb.Config) []grpc.DialOption {
		cfg.Logger = slog.New(stuckHandler{s})
		return nil
	}, false, false},
	"an observer": {func(_ *lbtest.Cluster, s *stuck, cfg *cantonlb.Config) []grpc.DialOption {
		cfg.OnAttempt = func(context.Context, cantonlb.AttemptEvent) { s.hang() }
		return nil
	}, false, false},
}

// long is how long code of the program hangs.
func long() time.Duration { return testkit.Size(time.Hour, 15*time.Minute, 5*time.Minute) }

// Whatever hangs for long: calls end at their deadlines, health goes on, few
// goroutines are left, and Close returns within a second. When the code returns, all
// is well again.
func TestCodeOfTheProgramThatHangsHoldsUpNothing(t *testing.T) {
	for name, c := range foreign {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStuck(t)
				cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				var log bytes.Buffer
				cfg := cantonlb.Config{Idempotent: echoIsIdempotent, Logger: slog.New(slog.NewTextHandler(&log, nil))}
				for i, url := range cluster.URLs() {
					cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Name: cluster.Names()[i], Address: url})
				}
				opts := append(cluster.DialOptions(), c.use(cluster, s, &cfg)...)
				client, err := cantonlb.NewClient(cfg, opts...)
				require.NoError(t, err)
				require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
				before := runtime.NumGoroutine()

				s.shut.Store(true)
				call := func() error {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
					defer cancel()
					start := time.Now()
					_, err := lbtest.ServedBy(ctx, client)
					assert.LessOrEqual(t, time.Since(start), 2500*time.Millisecond, "%v", err)
					return err
				}
				span := long()
				for i := range 60 {
					if i%20 == 0 { // so that there is something to dial, to validate and to log
						cluster.Disconnect(1)
					}
					err := call()
					if c.all {
						assert.Contains(t, []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, status.Code(err), "%v", err)
					}
					time.Sleep(span / 60)
				}
				assert.Less(t, runtime.NumGoroutine(), before+40, "after %v", span)
				st := client.Status()
				if c.harm {
					assert.Equal(t, map[bool]int{true: 0, false: 1}[c.all], st.Eligible(), "%+v", endpoint(st, "server0"))
				} else {
					assert.Equal(t, cantonlb.StateHealthy, endpoint(st, "server0").State)
					cluster.SetServing(0, "", false)
					time.Sleep(5 * time.Second)
					assert.Equal(t, report.ReasonNotServing, endpoint(client.Status(), "server0").Reason, "health goes on")
					cluster.SetServing(0, "", true)
					time.Sleep(5 * time.Second)
				}
				if !c.all {
					require.NoError(t, call())
				}

				start := time.Now()
				require.NoError(t, client.Close())
				assert.LessOrEqual(t, time.Since(start), time.Second)
				if name != "a log handler" {
					assert.Contains(t, log.String(), `level=WARN msg="closed, although code of the program has not returned" policy=healthy_round_robin`)
				}
				s.release()
				synctest.Wait()
			})
		})
	}
}

func TestAllIsWellOnceCodeOfTheProgramReturns(t *testing.T) {
	for _, name := range []string{"credentials of an endpoint", "credentials of the channel", "a validator", "a dialer", "a handshake"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStuck(t)
				cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				var cfg cantonlb.Config
				for i, url := range cluster.URLs() {
					cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Name: cluster.Names()[i], Address: url})
				}
				opts := foreign[name].use(cluster, s, &cfg)
				client := clientkit.Connect(t, cluster, cfg, 2, opts...)
				s.shut.Store(true)
				cluster.Disconnect(1)
				time.Sleep(long())
				s.release()
				require.NoError(t, client.WaitHealthy(testkit.Within(t, 2*time.Minute), 2))
				testkit.Spread(t, client, 4)
			})
		})
	}
}

func TestCredentialsOfACallThatHangEndAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStuck(t)
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 2)
		s.shut.Store(true)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := lbtest.ServedBy(ctx, client, grpc.PerRPCCredentials(stuckCredentials{s}))
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "call credentials have not returned")
		_, err = lbtest.Ticks(ctx, client, time.Second, grpc.PerRPCCredentials(stuckCredentials{s}))
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		canceled, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err = lbtest.ServedBy(canceled, client, grpc.PerRPCCredentials(stuckCredentials{s}))
		require.ErrorIs(t, err, context.Canceled)
		assert.Less(t, time.Since(start), 2*time.Second)
		assertNoHarm(t, client)
		testkit.Spread(t, client, 4)
	})
}

func TestAValidatorMayCloseTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		var client atomic.Pointer[cantonlb.Client]
		var once atomic.Bool
		closed := make(chan struct{})
		cfg := cantonlb.Config{Endpoints: clientkit.Endpoints(cluster), Validate: func(context.Context, grpc.ClientConnInterface, cantonlb.Endpoint) cantonlb.Validation {
			if c := client.Load(); c != nil && once.CompareAndSwap(false, true) {
				assert.NoError(t, c.Close())
				close(closed)
			}
			return cantonlb.Validation{}
		}}
		c, err := cantonlb.NewClient(cfg, cluster.DialOptions()...)
		require.NoError(t, err)
		client.Store(c)
		start := time.Now()
		testkit.Receive(t, closed)
		require.NoError(t, c.Close())
		assert.Less(t, time.Since(start), 5*time.Second)
	})
}

// Credentials that know that they have no token are the caller's business.
func TestTheErrorOfTheChannelsCredentialsReachesTheCaller(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want codes.Code
	}{
		"a status":     {status.Error(codes.Unauthenticated, "log in again"), codes.Unauthenticated},
		"another":      {status.Error(codes.PermissionDenied, "not you"), codes.PermissionDenied},
		"UNAVAILABLE":  {status.Error(codes.Unavailable, "the issuer is down"), codes.Unavailable},
		"not a status": {errors.New("no token"), codes.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2, grpc.WithPerRPCCredentials(failing{c.err}))
				for range 20 {
					_, err := lbtest.ServedBy(testkit.Context(t), client)
					require.Equal(t, c.want, status.Code(err), "%v", err)
					require.ErrorContains(t, err, status.Convert(c.err).Message())
					time.Sleep(time.Second)
				}
				assertNoHarm(t, client)
				s := client.Status()
				assert.Equal(t, report.ReasonCredentialsFailed, s.Endpoints[0].Reason)
				assert.Contains(t, s.Notes, "the call credentials of the channel fail, so 2 endpoints cannot be probed")
			})
		})
	}
}

func TestTheErrorOfTheEndpointsCredentialsReachesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{
			Name: "a", Address: cluster.URLs()[0], AllowInsecureTokens: true,
			Credentials: failing{status.Error(codes.PermissionDenied, "log in again")},
		}}}, cluster.DialOptions()...)
		require.NoError(t, err)
		defer client.Close()
		_, err = lbtest.ServedBy(testkit.Context(t), client)
		assert.Equal(t, codes.PermissionDenied, status.Code(err), "%v", err)
		assert.ErrorContains(t, err, "log in again")
		assert.Equal(t, report.ReasonCredentialsFailed, client.Status().Endpoints[0].Reason)
		assert.Zero(t, cluster.Calls(0))
	})
}

// All streams of a healthy server are in use, and it requires the channel's call
// credentials for health, too.
func TestABusyServerThatRequiresTheChannelsCredentialsIsHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allow := func(ctx context.Context) error {
			if len(metadataOf(ctx, "authorization")) == 0 {
				return status.Error(codes.Unauthenticated, "no token")
			}
			return nil
		}
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.MaxConcurrentStreams(4),
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
				if err := allow(ctx); err != nil {
					return nil, err
				}
				return handle(ctx, req)
			}),
			grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
				if err := allow(stream.Context()); err != nil {
					return err
				}
				return handle(srv, stream)
			})))
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1, grpc.WithPerRPCCredentials(bearer("Bearer x")))
		for range 6 {
			go func() {
				stream, err := lbtest.Ticks(t.Context(), client, 20*time.Millisecond)
				for err == nil {
					_, err = stream.Recv()
				}
			}()
		}
		for range 20 {
			time.Sleep(time.Second)
			e := client.Status().Endpoints[0]
			require.Contains(t, []cantonlb.State{cantonlb.StateHealthy, cantonlb.StateSuspect}, e.State, "%s %s", e.Reason, e.Detail)
		}
	})
}

// bearer are call credentials with a fixed token.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
