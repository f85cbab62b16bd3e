package cantonlb_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// Servers that limit the age of connections, as behind every load balancer, end some
// between the pick and the use. A call that was not canceled does not end with
// CANCELLED, and a call that was never sent is answered by another server.
func TestWhatNobodyHasCancelledNeverEndsCancelled(t *testing.T) {
	for name, methods := range map[string][]string{"idempotent": echoIsIdempotent, "not idempotent": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.KeepaliveParams(keepalive.ServerParameters{
					MaxConnectionAge: 30 * time.Millisecond, MaxConnectionAgeGrace: 5 * time.Second,
				})))
				client := clientkit.Connect(t, cluster, cantonlb.Config{
					Idempotent: methods, RetryBudget: cantonlb.RetryBudget{Share: 1, PerSecond: 1e6},
				}, 1)
				var wg sync.WaitGroup
				var failed atomic.Int64
				end := time.Now().Add(testkit.Size(3*time.Second, time.Second, 300*time.Millisecond))
				for range 20 {
					wg.Go(func() {
						for time.Now().Before(end) {
							if _, err := lbtest.Echo(t.Context(), client, "hello"); err != nil && failed.Add(1) < 4 {
								t.Errorf("%v", err)
							}
							time.Sleep(time.Millisecond)
						}
					})
				}
				wg.Wait()
				assert.Zero(t, failed.Load())
			})
		})
	}
}

// The connection ends after the call has been assigned to it, before grpc has used it.
func TestACallWhosePickIsLostIsMadeElsewhere(t *testing.T) {
	for name, methods := range map[string][]string{"idempotent": echoIsIdempotent, "not idempotent": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				var client *cantonlb.Client
				var armed, noticed atomic.Bool
				client = clientkit.Connect(t, cluster, cantonlb.Config{
					Idempotent:  methods,
					RetryBudget: cantonlb.RetryBudget{Share: 1, PerSecond: 1e6},
					OnAttempt: func(_ context.Context, e cantonlb.AttemptEvent) {
						if e.Kind != cantonlb.AttemptStarted || e.Endpoint != "server0" || !armed.CompareAndSwap(true, false) {
							return
						}
						cluster.Disconnect(0)
						for range 1000 { // fake time stands still meanwhile
							if !endpoint(client.Status(), "server0").Eligible {
								noticed.Store(true)
								return
							}
							runtime.Gosched()
						}
					},
				}, 2)
				lost := 0
				for range 100 {
					armed.Store(true)
					noticed.Store(false)
					for armed.Load() {
						_, err := lbtest.ServedBy(testkit.Context(t), client)
						if methods != nil || noticed.Load() {
							require.NoError(t, err)
						} else { // it may have been sent, and is not reissued
							require.NotEqual(t, codes.Canceled, status.Code(err), "%v", err)
						}
						time.Sleep(time.Millisecond) // a pause before the next attempt to connect can pass
					}
					if noticed.Load() {
						lost++
					}
					require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
				}
				assert.Positive(t, lost, "picks were lost")
			})
		})
	}
}

func TestAnObserverThatPanicsLeavesNoCallInFlight(t *testing.T) {
	for _, kind := range []cantonlb.AttemptEventKind{cantonlb.AttemptStarted, cantonlb.AttemptEnded} {
		t.Run(string(kind), func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
			client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent, OnAttempt: func(_ context.Context, e cantonlb.AttemptEvent) {
				if e.Kind == kind {
					panic("on purpose")
				}
			}}, 2)
			assert.Len(t, testkit.Spread(t, client, 10), 2, "and the calls go on")
			for _, e := range client.Status().Endpoints {
				assert.Equal(t, uint64(5), e.Calls.Picked)
				assert.Zero(t, e.Calls.InFlight, e.Name)
			}
		})
	}
}

// panickingCredentials are call credentials.
type panickingCredentials struct{}

func (panickingCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	panic("on purpose")
}
func (panickingCredentials) RequireTransportSecurity() bool { return false }

// Many programs recover what a request panics with.
func TestCredentialsThatPanicLeaveNoCallInFlight(t *testing.T) {
	ours := grpc.PerRPCCredentials(panickingCredentials{})
	for name, methods := range map[string][]string{"idempotent": echoIsIdempotent, "not idempotent": nil} {
		t.Run(name, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.MaxConcurrentStreams(4)))
			client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: methods}, 1)
			for range 5 {
				_, err := lbtest.Echo(testkit.Context(t), client, "x", ours)
				assert.Equal(t, codes.Internal, status.Code(err), "%v", err)
				endless := context.WithoutCancel(t.Context())
				for _, call := range []func(){
					func() { _, _ = lbtest.Echo(endless, client, "x", ours) },
					func() { _, _ = lbtest.Ticks(endless, client, time.Hour, ours) },
				} {
					func() {
						defer func() { _ = recover() }()
						call()
					}()
				}
			}
			_, err := lbtest.Echo(testkit.Context(t), client, "x")
			require.NoError(t, err)
			e := client.Status().Endpoints[0]
			assert.Zero(t, e.Calls.InFlight)
			assert.Zero(t, e.Calls.Failed)
		})
	}
}

// A call that waits for an endpoint when the client is closed was not refused.
func TestACallThatWaitsAtCloseLearnsThatTheClientIsClosing(t *testing.T) {
	for name, methods := range map[string][]string{"idempotent": echoIsIdempotent, "not idempotent": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
				cluster.SetServing(0, "", false)
				client, err := cantonlb.NewClient(cantonlb.Config{
					Endpoints: clientkit.Endpoints(cluster), Idempotent: methods, NoneEligible: cantonlb.Wait,
				}, cluster.DialOptions()...)
				require.NoError(t, err)
				ended := make(chan error, 2)
				go func() {
					_, err := lbtest.Echo(t.Context(), client, "hello")
					ended <- err
				}()
				go func() {
					_, err := lbtest.Ticks(t.Context(), client, time.Second)
					ended <- err
				}()
				synctest.Wait()
				require.Empty(t, ended, "they wait")
				require.NoError(t, client.Close())
				for range 2 {
					err = <-ended
					assert.Equal(t, codes.Canceled, status.Code(err))
					assert.Equal(t, "grpc: the client connection is closing", status.Convert(err).Message())
				}
			})
		})
	}
}
