package cantonlb_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	estats "google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/stats"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// intruder is code of a program that calls back into its client wherever it is called.
type intruder struct {
	estats.UnimplementedMetricsRecorder

	client atomic.Pointer[cantonlb.Client]
	call   func(*cantonlb.Client)
	from   string // where it calls back from
	calls  atomic.Int64
	depth  atomic.Int64
}

// at calls back if the test wants a call at this point. That call may lead here again.
func (x *intruder) at(where string) {
	c := x.client.Load()
	if c == nil || x.from != where || x.depth.Add(1) > 4 {
		return
	}
	defer x.depth.Add(-1)
	x.call(c)
	x.calls.Add(1)
}

// As a recorder of metrics.
func (*intruder) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*intruder) HandleRPC(context.Context, stats.RPCStats)                         {}
func (*intruder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*intruder) HandleConn(context.Context, stats.ConnStats)                       {}

func (x *intruder) RecordInt64Count(h *estats.Int64CountHandle, _ int64, _ ...string) {
	x.recorded(h.Descriptor())
}

func (x *intruder) RecordFloat64Histo(h *estats.Float64HistoHandle, _ float64, _ ...string) {
	x.recorded(h.Descriptor())
}

// recorded handles only the library's metrics: grpc calls a recorder with its own locks held.
func (x *intruder) recorded(d *estats.MetricDescriptor) {
	if strings.HasPrefix(d.Name, "cantonlb.") {
		x.at("recorder")
	}
}

// As a handler of the log.
func (x *intruder) Enabled(context.Context, slog.Level) bool       { x.at("handler"); return true }
func (x *intruder) Handle(context.Context, slog.Record) error      { x.at("handler"); return nil }
func (x *intruder) WithAttrs([]slog.Attr) slog.Handler             { return x }
func (x *intruder) WithGroup(string) slog.Handler                  { return x }
func (x *intruder) observe(context.Context, cantonlb.AttemptEvent) { x.at("observer") }

func (x *intruder) validate(context.Context, grpc.ClientConnInterface, cantonlb.Endpoint) cantonlb.Validation {
	x.at("validator")
	return cantonlb.Validation{Result: cantonlb.ValidationOK}
}

// As credentials of calls, and of connections.
func (x *intruder) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	x.at("token")
	return map[string]string{"x": "y"}, nil
}
func (*intruder) RequireTransportSecurity() bool { return false }

type intruding struct {
	credentials.TransportCredentials
	x *intruder
}

func (i intruding) ClientHandshake(ctx context.Context, authority string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	i.x.at("handshake")
	return i.TransportCredentials.ClientHandshake(ctx, authority, c)
}

func (i intruding) Clone() credentials.TransportCredentials { return i }

// calledBack lists the methods that may be called from anywhere.
func calledBack(c *lbtest.Cluster) map[string]func(*cantonlb.Client) {
	return map[string]func(*cantonlb.Client){
		"Status": func(client *cantonlb.Client) { _ = client.Status() },
		"Events": func(client *cantonlb.Client) { _ = client.Events() },
		"Drain": func(client *cantonlb.Client) {
			_ = client.Drain("server1")
			_ = client.Undrain("server1")
		},
		"Switch": func(client *cantonlb.Client) {
			_ = client.Switch(context.Background(), "server1")
			_ = client.Pin("server0")
			_ = client.Unpin()
		},
		"Update": func(client *cantonlb.Client) {
			list := clientkit.Endpoints(c)
			_ = client.Update(list[:2])
			_ = client.Update(list)
			_ = client.UpdateNow(list)
			_ = client.WaitHandover(context.Background())
		},
		"Subscribe": func(client *cantonlb.Client) {
			for range client.Subscribe(context.Background()) {
				break
			}
			for range client.SubscribeFrom(context.Background(), 1) {
				break
			}
		},
		"Close": func(client *cantonlb.Client) { _ = client.Close() },
	}
}

// The library holds no lock while it calls code of the program, and does not wait for
// it without end. Such code may therefore call back.
func TestCodeOfTheProgramMayCallBackFromAnywhere(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"recorder", "handler", "observer", "validator", "token", "handshake", "subscriber"} {
		for name := range calledBack(nil) {
			for _, policy := range []cantonlb.Policy{cantonlb.HealthyRoundRobin, cantonlb.ActivePassive} {
				t.Run(from+"/"+name+"/"+string(policy), func(t *testing.T) {
					t.Parallel()
					testCallingBack(t, from, name, policy)
				})
			}
		}
	}
}

func testCallingBack(t *testing.T, from, name string, policy cantonlb.Policy) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	x := &intruder{from: from, call: calledBack(cluster)[name]}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client, err := cantonlb.NewClient(cantonlb.Config{
			Endpoints: clientkit.Endpoints(cluster), Policy: policy, Logger: slog.New(x), OnAttempt: x.observe, Validate: x.validate,
			Idempotent: echoIsIdempotent, TransportCredentials: intruding{insecure.NewCredentials(), x},
		}, append(cluster.DialOptions(), grpc.WithStatsHandler(x), grpc.WithPerRPCCredentials(x),
			grpc.WithTransportCredentials(intruding{insecure.NewCredentials(), x}))...)
		if !assert.NoError(t, err) {
			return
		}
		x.client.Store(client)
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			for range client.Subscribe(ctx) {
				x.at("subscriber")
			}
		})
		for end := time.Now().Add(testkit.Patience); x.calls.Load() == 0 && time.Now().Before(end); {
			cluster.SetServing(0, "", false)
			cluster.Disconnect(1)
			for range 6 {
				call, stop := context.WithTimeout(ctx, time.Second)
				_, _ = lbtest.Echo(call, client, "hello")
				stop()
			}
			cluster.SetServing(0, "", true)
		}
		_ = client.Close()
		cancel()
		wg.Wait()
	}()
	select {
	case <-ended:
		assert.Positive(t, x.calls.Load(), "it has called back")
	case <-time.After(2 * testkit.Patience):
		require.Fail(t, "deadlock")
	}
}
