package balancer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	lb "github.com/cantonlb/cantonlb/balancer"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestThePolicyIsRegisteredUnderItsName(t *testing.T) {
	b := balancer.Get(lb.Name)
	require.NotNil(t, b)
	assert.Equal(t, "healthy_round_robin", b.Name())
	_, parses := b.(balancer.ConfigParser)
	assert.True(t, parses)
}

// grpc's priority policy compares the builder of a child that comes back with that of
// the child before.
func TestBuildersCanBeCompared(t *testing.T) {
	for _, name := range []string{lb.Name, lb.LeastLoadedName} {
		before, after := balancer.Get(name), balancer.Get(name)
		assert.NotPanics(t, func() { assert.True(t, before == after) }, name) //nolint:testifylint // == is what is tested
	}
}

// grpc: TestRoundRobin_Basic.
func TestCallsAreSpreadEvenlyOverAPlainChannel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		conn := dial(t, c, policy(`{}`))
		_, err := lbtest.Echo(testkit.Context(t), conn, "the first call waits for a connection")
		require.NoError(t, err)
		settled(t, conn)
		assert.Equal(t, map[string]int{"server0": 20, "server1": 20, "server2": 20}, testkit.Spread(t, conn, 60))
		for i := range 3 {
			assert.Equal(t, 1, c.TotalConns(i), "the probes use the calls' connection")
			assert.Positive(t, c.HealthWatches(i))
		}
	})
}

// grpc: TestRoundRobin_OneServerDown.
func TestAKilledServerIsSkippedAndComesBackAfterRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		conn := dial(t, c, policy(`{}`))
		settled(t, conn)
		c.Kill(1)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server0": 10, "server2": 10}, testkit.Spread(t, conn, 20))
		c.Restart(1)
		time.Sleep(testkit.Patience)
		assert.Len(t, testkit.Spread(t, conn, 30), 3)
	})
}

// grpc: TestRoundRobin_AllServersDown.
func TestWithAllServersDownCallsFailFastOrWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		conn := dial(t, c, policy(`{}`))
		settled(t, conn)
		c.Kill(0)
		c.Kill(1)
		settled(t, conn)
		assert.Equal(t, connectivity.TransientFailure, conn.GetState())
		err := refusal(t, conn)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.Regexp(t, `no eligible endpoint of 2: server0\.lbtest:1 unreachable \(.*connection refused.*\), `+
			`server1\.lbtest:1 unreachable \(.*connection refused.*\)`, err.Error())

		done := make(chan error, 1)
		go func() {
			_, err := lbtest.Echo(testkit.Within(t, time.Minute), conn, "x", grpc.WaitForReady(true))
			done <- err
		}()
		synctest.Wait()
		require.Empty(t, done, "it waits")
		c.Restart(1)
		assert.NoError(t, <-done)
	})
}

func TestNotServingTakesAServerOutAndServingBringsItBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		conn := dial(t, c, policy(`{}`))
		settled(t, conn)
		c.SetServing(0, "", false)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, conn, 10))
		c.SetServing(1, "", false)
		synctest.Wait()
		assert.ErrorContains(t, refusal(t, conn), "server0.lbtest:1 unhealthy (not_serving")
		c.SetServing(0, "", true)
		time.Sleep(5 * time.Second)
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, conn, 10))
		assert.Equal(t, 1, c.TotalConns(0), "the connection was kept all the time")
	})
}

func TestAHungServerIsFoundThoughItsConnectionStaysOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		conn := dial(t, c, policy(`{}`))
		settled(t, conn)
		c.Hang(0)
		time.Sleep(2 * time.Second)
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, conn, 10))
		c.Resume(0)
		time.Sleep(testkit.Patience)
		assert.Len(t, testkit.Spread(t, conn, 10), 2)
	})
}

func TestConnectionsThatAgeLoseNoCall(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("with %d servers", n), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, n, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.KeepaliveParams(
					keepalive.ServerParameters{MaxConnectionAge: 200 * time.Millisecond, MaxConnectionAgeGrace: time.Second})))
				for i := range n {
					c.SetLatency(i, 3*time.Millisecond)
				}
				conn := dial(t, c, policy(`{}`))
				settled(t, conn)
				stop := calling(t, conn, time.Millisecond)
				time.Sleep(4 * time.Second)
				calls, err := stop()
				assert.NoError(t, err)
				assert.Greater(t, calls, 500)
				assert.Greater(t, c.TotalConns(0), 15, "connections did age")
			})
		})
	}
}

func TestAGracefulStopLosesNoCall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		c.SetLatency(0, 5*time.Millisecond)
		c.SetLatency(1, 5*time.Millisecond)
		conn := dial(t, c, policy(`{}`))
		settled(t, conn)
		var stops []func() (int, error)
		for range 5 {
			stops = append(stops, calling(t, conn, 10*time.Millisecond))
		}
		time.Sleep(100 * time.Millisecond)
		c.Stop(0)
		time.Sleep(time.Second)
		c.Restart(0)
		time.Sleep(testkit.Patience)
		c.Stop(1)
		time.Sleep(time.Second)
		for _, stop := range stops {
			_, err := stop()
			assert.NoError(t, err)
		}
	})
}

func foreignList(addrs ...string) grpcresolver.State {
	var s grpcresolver.State
	for _, a := range addrs {
		s.Endpoints = append(s.Endpoints, grpcresolver.Endpoint{Addresses: []grpcresolver.Address{{Addr: a}}})
	}
	return s
}

func TestAForeignResolverWorks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		r := manual.NewBuilderWithScheme("foreign")
		r.InitialState(foreignList(c.Addrs()[0], c.Addrs()[1], c.Addrs()[0]))
		conn := dialTarget(t, "foreign:///x", policy(`{}`), append(c.DialOptions(), grpc.WithResolvers(r))...)
		settled(t, conn)
		assert.Equal(t, map[string]int{"server0": 10, "server1": 10}, testkit.Spread(t, conn, 20), "duplicates merge")

		stop := calling(t, conn, time.Millisecond)
		r.UpdateState(foreignList(c.Addrs()[1], c.Addrs()[2]))
		time.Sleep(time.Second)
		_, err := stop()
		assert.NoError(t, err, "a change of the list loses no call")
		assert.Equal(t, map[string]int{"server1": 10, "server2": 10}, testkit.Spread(t, conn, 20))
		assert.Equal(t, 1, c.TotalConns(1))
		assert.Zero(t, c.Conns(0))

		r.CC().ReportError(errors.New("resolver out of order"))
		assert.Len(t, testkit.Spread(t, conn, 10), 2)
		r.UpdateState(grpcresolver.State{})
		synctest.Wait()
		assert.ErrorContains(t, refusal(t, conn), "the resolver gave an empty list")
		r.UpdateState(foreignList(c.Addrs()[0]))
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, conn, 10))
	})
}

func TestAResolverErrorBeforeAnyListReachesTheCalls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := manual.NewBuilderWithScheme("foreign")
		r.BuildCallback = func(_ grpcresolver.Target, cc grpcresolver.ClientConn, _ grpcresolver.BuildOptions) {
			go cc.ReportError(errors.New("no such host"))
		}
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		conn := dialTarget(t, "foreign:///x", policy(`{}`), append(c.DialOptions(), grpc.WithResolvers(r))...)
		err := refusal(t, conn)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.ErrorContains(t, err, "no such host")
		r.UpdateState(foreignList(c.Addrs()[0]))
		_, err = lbtest.Echo(testkit.Context(t), conn, "x", grpc.WaitForReady(true))
		assert.NoError(t, err)
	})
}

// grpc: TestResolverUpdate_InvalidServiceConfigAsFirstUpdate.
func TestABadPolicyConfigIsRefusedByNewClientAndNamed(t *testing.T) {
	for config, want := range map[string]string{
		`{"healthCheck":{"intervall":"1s"}}`: "healthCheck.intervall: want a known key",
		`{"healthcheck":{}}`:                 "healthcheck: want a known key",
		`{"deadAfter":"-1s"}`:                `deadAfter "-1s": want a duration above zero`,
		`{"noneEligible":"panic"}`:           `noneEligible "panic": want "failFast" or "wait" or "failOpen"`,
		`{"failBack":"never"}`:               "failBack: want a known key",
	} {
		conn, err := grpc.NewClient("static:///a:1", grpc.WithDefaultServiceConfig(policy(config)), insecureCredentials())
		require.Error(t, err, config)
		assert.Nil(t, conn)
		assert.ErrorContains(t, err, want)
	}
}

// grpc: TestResolverUpdate_InvalidServiceConfigAfterGoodUpdate.
func TestABadPolicyConfigFromAResolverChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		r := manual.NewBuilderWithScheme("foreign")
		conn := dialTarget(t, "foreign:///x", policy(`{"healthCheck":{"disabled":true}}`), append(c.DialOptions(), grpc.WithResolvers(r))...)
		r.InitialState(foreignList(c.Addrs()[0]))
		settled(t, conn)
		testkit.Spread(t, conn, 3)
		bad := foreignList(c.Addrs()[0])
		bad.ServiceConfig = r.CC().ParseServiceConfig(policy(`{"fall":1}`))
		require.Error(t, bad.ServiceConfig.Err)
		r.UpdateState(bad)
		synctest.Wait()
		testkit.Spread(t, conn, 3)
		assert.Equal(t, 1, c.TotalConns(0))
		assert.Zero(t, c.HealthWatches(0), "health checking is still off")
	})
}

// grpc: TestChannelIdleness_Enabled_ExitIdleOnRPC.
func TestAChannelThatWasIdleWorksAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		conn := dial(t, c, policy(`{}`), grpc.WithIdleTimeout(10*time.Second))
		settled(t, conn)
		testkit.Spread(t, conn, 4)
		for range 2 {
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Equal(t, connectivity.Idle, conn.GetState(), "probes are no activity")
			assert.Zero(t, c.Conns(0)+c.Conns(1))
			_, err := lbtest.Echo(testkit.Context(t), conn, "x")
			require.NoError(t, err)
			time.Sleep(time.Second)
			assert.Len(t, testkit.Spread(t, conn, 4), 2)
		}
	})
}

// grpc: TestBalancerSwitch_Graceful, TestBalancerSwitch_OldBalancerCallsShutdownInClose.
func TestSwitchingToThePolicyAndAwayFromItLosesNoCall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		r := manual.NewBuilderWithScheme("foreign")
		r.InitialState(foreignList(c.Addrs()...))
		conn := dialTarget(t, "foreign:///x", `{}`, append(c.DialOptions(), grpc.WithResolvers(r))...)
		settled(t, conn)
		stop := calling(t, conn, 5*time.Millisecond)
		for range 3 {
			for _, config := range []string{policy(`{}`), `{"loadBalancingConfig":[{"round_robin":{}}]}`} {
				s := foreignList(c.Addrs()...)
				s.ServiceConfig = r.CC().ParseServiceConfig(config)
				r.UpdateState(s)
				time.Sleep(time.Second)
				assert.Len(t, testkit.Spread(t, conn, 10), 2)
			}
		}
		_, err := stop()
		assert.NoError(t, err)
	})
}

// grpc: TestEnterIdleDuringBalancerUpdateState and its like.
func TestCloseDuringUpdatesAndChangesEndsCleanly(t *testing.T) {
	c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	for range 15 {
		r := manual.NewBuilderWithScheme("foreign")
		r.InitialState(foreignList(c.Addrs()...))
		conn, err := grpc.NewClient("foreign:///x", append(c.DialOptions(), grpc.WithResolvers(r), grpc.WithDefaultServiceConfig(policy(`{}`)))...)
		require.NoError(t, err)
		awaitState(t, conn, connectivity.Ready)
		start := make(chan struct{})
		var wg sync.WaitGroup
		racing := func(f func(i int)) {
			wg.Go(func() {
				<-start
				for i := range 20 {
					f(i)
				}
			})
		}
		racing(func(i int) { r.UpdateState(foreignList(c.Addrs()[i%3:]...)) })
		racing(func(i int) { c.SetServing(i%3, "", i%2 == 0) })
		racing(func(int) { _, _ = lbtest.Echo(testkit.Context(t), conn, "x") }) // may fail: the channel is being closed
		racing(func(int) { conn.Connect() })
		wg.Go(func() {
			<-start
			_, _ = lbtest.Echo(testkit.Context(t), conn, "x") // the same
			assert.NoError(t, conn.Close())
		})
		close(start)
		wg.Wait()
		for i := range 3 {
			c.SetServing(i, "", true)
		}
	}
}

func TestEachServerSeesItsOwnAuthority(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := make(map[string]map[string]bool)
		note := func(ctx context.Context, method string) {
			md, _ := metadata.FromIncomingContext(ctx)
			mu.Lock()
			defer mu.Unlock()
			if seen[method] == nil {
				seen[method] = make(map[string]bool)
			}
			seen[method][md.Get(":authority")[0]] = true
		}
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithServerOptions(
			grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
				note(ctx, info.FullMethod)
				return h(ctx, req)
			}),
			grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
				note(ss.Context(), info.FullMethod)
				return h(srv, ss)
			})))
		conn := dial(t, c, policy(`{}`))
		settled(t, conn)
		testkit.Spread(t, conn, 10)
		both := map[string]bool{"server0.lbtest:1": true, "server1.lbtest:1": true}
		mu.Lock()
		defer mu.Unlock()
		for _, method := range []string{lbtest.EchoMethod, "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"} {
			assert.Equal(t, both, seen[method], method)
		}
	})
}
