package cantonlb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// onBoth runs f with a client, and with a plain channel that uses the policy by its
// service config alone. A plain channel has no status, so it shows harm by the
// endpoints to which calls go.
func onBoth(t *testing.T, policy cantonlb.Policy, servers int,
	f func(t *testing.T, cluster *lbtest.Cluster, cc grpc.ClientConnInterface, assertNoHarm func()),
) {
	t.Run("client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, servers, lbtest.RegisterEcho)
			client := clientkit.Connect(t, cluster, cantonlb.Config{Policy: policy}, servers)
			f(t, cluster, client, func() { assertNoHarm(t, client) })
		})
	})
	t.Run("plain channel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, servers, lbtest.RegisterEcho)
			cc, err := grpc.NewClient(cluster.Target(), append(cluster.DialOptions(),
				grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"`+string(policy)+`":{}}]}`))...)
			require.NoError(t, err)
			defer cc.Close()
			_, err = lbtest.ServedBy(testkit.Context(t), cc, grpc.WaitForReady(true))
			require.NoError(t, err)
			time.Sleep(time.Second) // all are connected
			_, before := spreadOf(t, cc, servers)
			f(t, cluster, cc, func() {
				_, after := spreadOf(t, cc, servers)
				assert.Equal(t, before, after, "the same endpoints are picked")
			})
		})
	})
}

// spreadOf makes a few calls and returns which servers answered how many, and which.
func spreadOf(t *testing.T, cc grpc.ClientConnInterface, servers int) (counts map[string]int, who map[string]bool) {
	t.Helper()
	counts, who = map[string]int{}, map[string]bool{}
	for range 4 * servers {
		name, err := lbtest.ServedBy(testkit.Context(t), cc)
		require.NoError(t, err)
		counts[name]++
		who[name] = true
	}
	return counts, who
}

// assertNoHarm asserts that no call has been evidence against an endpoint.
func assertNoHarm(t *testing.T, client *cantonlb.Client) {
	t.Helper()
	s := client.Status()
	for _, e := range s.Endpoints {
		assert.Zero(t, e.Ejections, e.Name)
		assert.Zero(t, e.Calls.Failed, e.Name)
		assert.Equal(t, cantonlb.StateHealthy, e.State, "%s: %s %s", e.Name, e.Reason, e.Detail)
	}
	if s.Failover != nil {
		assert.EqualValues(t, 1, s.Failover.Switches, "the first choice: %v", s.Failover.Reasons)
	}
}

// failing are call credentials that have no token.
type failing struct{ err error }

func (f failing) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, f.err
}

func (failing) RequireTransportSecurity() bool { return false }

// clumsy is a codec that cannot encode.
type clumsy struct{ encoding.CodecV2 }

func (clumsy) Name() string                         { return "clumsy" }
func (clumsy) Marshal(any) (mem.BufferSlice, error) { return nil, errors.New("out of ink") }

func TestCallsThatFailInThisProcessAreNoEvidence(t *testing.T) {
	echo := func(opts ...grpc.CallOption) func(context.Context, grpc.ClientConnInterface) error {
		return func(ctx context.Context, cc grpc.ClientConnInterface) error {
			return cc.Invoke(ctx, lbtest.EchoMethod, wrapperspb.String("hello"), new(emptypb.Empty), opts...)
		}
	}
	for name, c := range map[string]struct {
		call func(context.Context, grpc.ClientConnInterface) error
		want codes.Code
	}{
		"a request that cannot be encoded": {func(ctx context.Context, cc grpc.ClientConnInterface) error {
			return cc.Invoke(ctx, lbtest.EchoMethod, wrapperspb.String("caf\xe9"), new(emptypb.Empty))
		}, codes.Internal},
		"a codec that fails":               {echo(grpc.ForceCodecV2(clumsy{encoding.GetCodecV2("proto")})), codes.Internal},
		"a request over the limit":         {echo(grpc.MaxCallSendMsgSize(3)), codes.ResourceExhausted},
		"an answer over the limit":         {echo(grpc.MaxCallRecvMsgSize(3)), codes.ResourceExhausted},
		"credentials that fail":            {echo(grpc.PerRPCCredentials(failing{errors.New("down")})), codes.Internal},
		"credentials with UNAVAILABLE":     {echo(grpc.PerRPCCredentials(failing{status.Error(codes.Unavailable, "down")})), codes.Unavailable},
		"credentials with a deadline":      {echo(grpc.PerRPCCredentials(failing{status.Error(codes.DeadlineExceeded, "late")})), codes.DeadlineExceeded},
		"credentials without a token":      {echo(grpc.PerRPCCredentials(failing{status.Error(codes.Unauthenticated, "log in")})), codes.Unauthenticated},
		"credentials that want encryption": {echo(grpc.PerRPCCredentials(encryptedOnly{})), codes.Unauthenticated},
		"a stream with a bad request": {func(ctx context.Context, cc grpc.ClientConnInterface) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			stream, err := cc.NewStream(ctx, &grpc.StreamDesc{StreamName: "Ticks", ServerStreams: true}, lbtest.EchoMethod)
			if err != nil {
				return err
			}
			return stream.SendMsg(wrapperspb.String("caf\xe9"))
		}, codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			for _, policy := range []cantonlb.Policy{cantonlb.HealthyRoundRobin, cantonlb.ActivePassive} {
				onBoth(t, policy, 2, func(t *testing.T, _ *lbtest.Cluster, cc grpc.ClientConnInterface, assertNoHarm func()) {
					for range 30 {
						ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
						err := c.call(ctx, cc)
						cancel()
						require.Equal(t, c.want, status.Code(err), "%v", err)
						time.Sleep(10 * time.Millisecond)
					}
					assertNoHarm()
				})
			}
		})
	}
}

// encryptedOnly are call credentials that do not go over plaintext.
type encryptedOnly struct{ failing }

func (encryptedOnly) RequireTransportSecurity() bool { return true }

func TestStreamsThatWereAnsweredAndEndAtTheirDeadlineAreNoEvidence(t *testing.T) {
	for name, every := range map[string]time.Duration{"messages until the end": 100 * time.Millisecond, "one message": time.Hour} {
		t.Run(name, func(t *testing.T) {
			for _, policy := range []cantonlb.Policy{cantonlb.HealthyRoundRobin, cantonlb.ActivePassive} {
				onBoth(t, policy, 2, func(t *testing.T, _ *lbtest.Cluster, cc grpc.ClientConnInterface, assertNoHarm func()) {
					for range 20 {
						ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
						stream, err := lbtest.Ticks(ctx, cc, every)
						for err == nil {
							_, err = stream.Recv()
						}
						cancel()
						require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
					}
					assertNoHarm()
				})
			}
		})
	}
}

// Callers with too little patience do not take the endpoints from those that have
// enough, however rare these are.
func TestCallersWithTooLittlePatienceEjectNoEndpoint(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds")
	}
	for name, c := range map[string]struct{ service, impatient, every time.Duration }{
		"20 ms, 5 ms":                      {20 * time.Millisecond, 5 * time.Millisecond, 50 * time.Millisecond},
		"300 ms, 200 ms":                   {300 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond},
		"20 ms, 5 ms, patience is rare":    {20 * time.Millisecond, 5 * time.Millisecond, 800 * time.Millisecond},
		"1.5 s, 1.2 s, more than a second": {1500 * time.Millisecond, 1200 * time.Millisecond, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, cantonlb.HealthyRoundRobin, 4, func(t *testing.T, cluster *lbtest.Cluster, cc grpc.ClientConnInterface, _ func()) {
				for i := range 4 {
					cluster.SetLatency(i, c.service)
				}
				ctx, cancel := context.WithTimeout(t.Context(), testkit.Size(12*time.Second, 6*time.Second, 4*time.Second))
				defer cancel()
				var wg sync.WaitGroup
				calls := func(patience, every time.Duration, want codes.Code) {
					for ctx.Err() == nil {
						wg.Go(func() { //nolint:contextcheck // a call may end after ctx
							ctx, cancel := context.WithTimeout(t.Context(), patience)
							defer cancel()
							_, err := lbtest.ServedBy(ctx, cc)
							assert.Equal(t, want, status.Code(err))
						})
						time.Sleep(every)
					}
				}
				wg.Go(func() { calls(10*time.Second, c.every, codes.OK) })
				time.Sleep(2 * c.service) // some patient calls were first
				calls(c.impatient, 4*time.Millisecond, codes.DeadlineExceeded)
				wg.Wait()
				if client, ok := cc.(*cantonlb.Client); ok {
					for _, e := range client.Status().Endpoints {
						assert.Zero(t, e.Ejections, e.Name)
					}
				} else {
					_, who := spreadOf(t, cc, 4)
					assert.Len(t, who, 4)
				}
			})
		})
	}
}

// What makes a short deadline no evidence does not hide a server that hangs.
func TestAServiceThatStopsIsEjectedByShortDeadlinesToo(t *testing.T) {
	for _, patience := range []time.Duration{50 * time.Millisecond, 2 * time.Second} {
		t.Run(patience.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
				client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
				testkit.Spread(t, client, 30)
				cluster.SetLatency(1, time.Hour) // its health service works
				for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					go func() {
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						defer cancel()
						_, _ = lbtest.ServedBy(ctx, client)
					}()
				}
				assert.True(t, endpoint(client.Status(), "server1").Ejected)
				assert.False(t, endpoint(client.Status(), "server0").Ejected)
			})
		})
	}
}

// A unary call whose answer has begun is not answered at its deadline.
func TestAServiceThatSendsHeadersAndHangsIsEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick sync.Map
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(
			func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
				if _, on := sick.Load("on"); on && strings.HasPrefix(info.FullMethod, "/lbtest.") {
					_ = grpc.SendHeader(ctx, metadata.Pairs("a", "b"))
					<-ctx.Done()
					return nil, status.FromContextError(ctx.Err()).Err()
				}
				return handle(ctx, req)
			})))
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
		sick.Store("on", true)
		for range 40 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			_, err := lbtest.ServedBy(ctx, client)
			cancel()
			require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		}
		ejected := uint64(0)
		for _, e := range client.Status().Endpoints {
			ejected += e.Ejections
		}
		assert.Positive(t, ejected)
	})
}

// metadataOf returns the values of a header that a server has received.
func metadataOf(ctx context.Context, name string) []string {
	md, _ := metadata.FromIncomingContext(ctx)
	return md.Get(name)
}
