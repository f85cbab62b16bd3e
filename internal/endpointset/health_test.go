package endpointset

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
)

func TestConnectedIsNotEligibleWithoutAVerdict(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.server("a").set(hanging())
		f.up("a")
		assert.Equal(t, connectivity.Connecting, f.state())
		assert.True(t, f.waits(), "unknown is not eligible, and calls wait for its first verdict")
		time.Sleep(3 * time.Second) // the first probe gets no answer
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Contains(t, f.refusal(), "a unhealthy (probe_timeout")
	})
}

func TestNotServingIsTakenOutAtOnceAndServingComesBackByThreshold(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		published := f.last().Picker
		f.server("a").set(notServing())
		synctest.Wait()
		for range 10 { // the old snapshot knows already
			r, err := published.Pick(pickInfo())
			require.NoError(t, err)
			assert.Equal(t, "b", r.SubConn.(*fakeSubConn).address.Addr)
			r.Done(balancer.DoneInfo{})
		}
		assert.Equal(t, []string{"b"}, f.picked())
		f.server("a").set(serving())
		assert.Equal(t, []string{"b"}, f.picked(), "one success is not two")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a", "b"}, f.picked())
	})
}

// A suspect endpoint is picked until the suspicion is confirmed.
func TestAHungEndpointIsSuspectAndThenOut(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.server("a").set(hanging())
		deadline := time.Now().Add(1700 * time.Millisecond) // as the design promises
		sawSuspect := false
		for f.status("a").Eligible {
			require.False(t, time.Now().After(deadline), "still eligible after 1.7 s")
			sawSuspect = sawSuspect || f.status("a").Health == report.Suspect
			time.Sleep(10 * time.Millisecond)
		}
		assert.True(t, sawSuspect)
		assert.Equal(t, report.ReasonProbeTimeout, f.status("a").Reason)
		assert.Equal(t, []string{"b"}, f.picked())
	}, func(c *settings.Config) { c.HealthCheck.Jitter = healthcheck.NoJitter })
}

// The reason is what an operator acts on: it is that of today, not that of the first hour.
func TestTheReasonOfAnUnhealthyEndpointIsTheNewestOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.server("a").set(hanging())
		time.Sleep(5 * time.Second)
		hung := f.status("a")
		assert.Equal(t, report.ReasonProbeTimeout, hung.Reason)
		events := len(f.set.teller.Events())
		f.server("a").set(failing(codes.Unauthenticated, "the token has expired"))
		time.Sleep(5 * time.Second)
		is := f.status("a")
		assert.Equal(t, report.StateUnhealthy, is.State)
		assert.Equal(t, report.ReasonProbeDenied, is.Reason)
		assert.Contains(t, is.Detail, "the token has expired")
		assert.Equal(t, hung.Since, is.Since, "it is unhealthy since then")
		assert.Len(t, f.set.teller.Events(), events)
		f.server("a").set(notServing())
		time.Sleep(5 * time.Second)
		assert.Equal(t, report.ReasonNotServing, f.status("a").Reason)
		assert.Empty(t, f.status("a").Detail)
	})
}

func TestAllUnhealthyFailsFastAndRecovers(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.server("a").set(notServing())
		f.server("b").set(notServing())
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Equal(t, "no eligible endpoint of 2: a unhealthy (not_serving), b unhealthy (not_serving)", f.refusal())
		assert.Equal(t, time.Now(), f.set.Status().NoneEligibleSince)
		f.server("b").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"b"}, f.picked())
		assert.Zero(t, f.set.Status().NoneEligibleSince)
	})
}

// grpc: TestPickFirst_HealthListenerEnabled, TestSubConn_RegisterHealthListener.
func TestTheFirstWordOfGrpcsHealthCheckStartsTheProbes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.setWatched(true)
		require.NoError(t, f.push("a"))
		f.up("a")
		assert.Equal(t, 1, f.server("a").checkCalls(""))
		assert.Zero(t, f.server("a").watchCalls(""), "grpc has a Watch open: one is enough")
		assert.Equal(t, connectivity.Connecting, f.state(), "until grpc's has said READY")
		assert.True(t, f.waits())
		f.conn("a").healthBecomes(connectivity.Ready, nil)
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Equal(t, 1, f.server("a").checkCalls(""), "they are started once")
	})
}

func TestWithoutAHealthCheckConfigOurWatchIsOpened(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		assert.Equal(t, 1, f.server("a").watchCalls(""))
		assert.Equal(t, []string{"a"}, f.picked())
	})
}

// grpc: TestPickFirst_HealthUpdates.
func TestTransientFailureOfGrpcsHealthCheckTakesAnEndpointOut(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.setWatched(true)
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.conn("a").healthBecomes(connectivity.Ready, nil)
		f.conn("b").healthBecomes(connectivity.Ready, nil)
		f.conn("a").healthBecomes(connectivity.TransientFailure, errors.New("health check failed. status=NOT_SERVING"))
		assert.Equal(t, []string{"b"}, f.picked())
		got := f.status("a")
		assert.Equal(t, report.Unhealthy, got.Health)
		assert.Equal(t, report.ReasonChannelHealth, got.Reason)
		assert.Equal(t, "health check failed. status=NOT_SERVING", got.Detail)

		f.conn("b").healthBecomes(connectivity.TransientFailure, errors.New("the same"))
		assert.Equal(t, "no eligible endpoint of 2: a unhealthy (channel_health: health check failed. status=NOT_SERVING), "+
			"b unhealthy (channel_health: the same)", f.refusal())
		f.conn("a").healthBecomes(connectivity.Connecting, nil) // it is asked again
		assert.Equal(t, connectivity.TransientFailure, f.state(), "trouble stays until it is over")
		f.conn("a").healthBecomes(connectivity.Ready, nil)
		assert.Equal(t, []string{"a"}, f.picked())
	})
}

// With a health check of grpc's that has not answered, the endpoint is not
// called healthy in the explanation of why it is not picked.
func TestAnEndpointThatWaitsForGrpcsHealthCheckSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.setWatched(true)
		require.NoError(t, f.push("a"))
		f.up("a")
		require.True(t, f.waits())
		assert.Equal(t, "no eligible endpoint of 1: a unknown (channel_health)", f.set.explain().Error())
	})
}

func TestGrpcsHealthCheckAndOursOfAnotherServiceMustBothPass(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.setWatched(true)
		f.server("a").says("orders", serving())
		f.server("a").set(notServing()) // nobody asks for it
		require.NoError(t, f.push("a"))
		f.up("a")
		assert.Equal(t, 1, f.server("a").watchCalls("orders"), "ours runs beside grpc's")
		assert.True(t, f.waits())
		f.conn("a").healthBecomes(connectivity.Ready, nil)
		assert.Equal(t, []string{"a"}, f.picked())
		f.server("a").says("orders", notServing())
		assert.Contains(t, f.refusal(), "a unhealthy (not_serving")
	}, func(c *settings.Config) { c.HealthCheck.Service = "orders" })
}

// With grpc's health check on a service of its choice, ours has only to see that
// the endpoint answers; what it answers is grpc's affair.
func TestUnderGrpcsHealthCheckAnyAnswerIsASignOfLife(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.setWatched(true)
		f.server("a").set(notServing())
		require.NoError(t, f.push("a"))
		f.up("a")
		f.conn("a").healthBecomes(connectivity.Ready, nil)
		assert.Equal(t, []string{"a"}, f.picked())
		f.server("a").set(hanging())
		time.Sleep(3 * time.Second)
		assert.Contains(t, f.refusal(), "probe_timeout", "grpc's own check would never find this")
	})
}

// grpc: TestProducerStopsBeforeStateChange.
func TestProbesEndBeforeTheListenerHearsOfTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		sc := f.conn("a")
		require.Equal(t, 1, f.server("a").openWatches())
		sc.become(connectivity.Idle, nil)
		synctest.Wait()
		h := sc.history()
		closed, told := slices.Index(h, "producer closed"), slices.Index(h, "IDLE")
		require.GreaterOrEqual(t, closed, 0, h)
		assert.Less(t, closed, told)
		assert.Zero(t, f.server("a").openWatches())
	})
}

// grpc: TestHealthCheckWithGoAway, _ConnClose, _AddrConnDrain, _ClientConnClose.
func TestTheWatchEndsWithItsConnection(t *testing.T) {
	for name, end := range map[string]func(*fixture){
		"GOAWAY":            func(f *fixture) { f.conn("a").become(connectivity.Idle, nil) },
		"a lost connection": func(f *fixture) { f.conn("a").become(connectivity.TransientFailure, errRefused) },
		"an endpoint that leaves": func(f *fixture) {
			_ = f.push("b")
			f.up("b")
		},
		"Close": func(f *fixture) { f.close() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a"))
				f.up("a")
				require.Equal(t, 1, f.server("a").openWatches())
				end(f)
				synctest.Wait()
				assert.Zero(t, f.server("a").openWatches())
			})
		})
	}
}

func TestAnUnhealthyEndpointStaysSoAcrossAReconnect(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.server("a").set(notServing())
		synctest.Wait()
		f.conn("a").become(connectivity.Idle, nil)
		f.server("a").set(serving())
		f.up("a")
		assert.Equal(t, []string{"b"}, f.picked(), "it has to rise")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a", "b"}, f.picked())
	})
}

func TestWithHealthCheckingOffAConnectionIsEnough(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.server("a").set(notServing())
		require.NoError(t, f.push("a"))
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		got := f.status("a")
		assert.False(t, got.Probe.On)
		assert.Equal(t, "connectivity only", got.Probe.Target)
		assert.Equal(t, report.ReasonConnected, got.Reason)
		assert.Zero(t, f.server("a").checkCalls("")+f.server("a").watchCalls(""))
		f.conn("a").become(connectivity.Idle, nil)
		assert.True(t, f.waits())
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
	}, withoutChecks)
}

// A parent that ejects endpoints, as outlier detection does, is obeyed too.
func TestWithHealthCheckingOffGrpcsHealthListenerStillCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.conn("a").healthBecomes(connectivity.TransientFailure, errors.New("ejected"))
		assert.Equal(t, []string{"b"}, f.picked())
		f.conn("a").healthBecomes(connectivity.Ready, nil)
		assert.Equal(t, []string{"a", "b"}, f.picked())
	}, withoutChecks)
}

func TestAServerWithoutHealthService(t *testing.T) {
	noHealth := failing(codes.Unimplemented, "unknown service grpc.health.v1.Health")
	t.Run("counts by its connection", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *fixture) {
			f.server("a").set(noHealth)
			f.server("a").withoutWatch()
			require.NoError(t, f.push("a"))
			f.up("a")
			assert.Equal(t, []string{"a"}, f.picked())
			assert.Equal(t, report.ReasonUnimplemented, f.status("a").Reason)
		})
	})
	t.Run("is refused if so configured", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *fixture) {
			f.server("a").set(noHealth)
			f.server("a").withoutWatch()
			require.NoError(t, f.push("a"))
			f.up("a")
			assert.Contains(t, f.refusal(), "a unhealthy (unimplemented")
		}, func(c *settings.Config) { c.HealthCheck.OnUnimplemented = healthcheck.OnUnimplementedUnhealthy })
	})
}

// A connection with no stream to spare is probed on one of its own.
func TestAProbeThatGetsNoStreamIsMadeOnAConnectionOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		defer f.close()
		dialed := make(chan string, 100)
		f.set.build.Dialer = func(_ context.Context, addr string) (net.Conn, error) {
			dialed <- addr
			return nil, errRefused
		}
		require.NoError(t, f.push("a:1"))
		f.up("a:1")
		require.Equal(t, []string{"a:1"}, f.picked())
		f.server("a:1").isFull(true)
		time.Sleep(10 * time.Second)
		require.NotEmpty(t, dialed)
		assert.Equal(t, "a:1", <-dialed)
		assert.Contains(t, f.refusal(), "connect_failed", "its verdict decides")
	})
}

func TestADrainedEndpointStaysSoUntilItIsUndrainedOrLeaves(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.set.SetDrained("a", true))
		require.NoError(t, f.set.SetDrained("a", true))
		assert.Equal(t, []string{"b"}, f.picked())
		assert.True(t, f.status("a").Drained)
		assert.Equal(t, 1, f.server("a").openWatches(), "it stays probed")
		require.NoError(t, f.push("b", "a"))
		assert.Equal(t, []string{"b"}, f.picked())
		f.conn("a").become(connectivity.Idle, nil)
		f.up("a")
		assert.Equal(t, []string{"b"}, f.picked(), "also on a new connection")
		require.NoError(t, f.set.SetDrained("a", false))
		assert.Equal(t, []string{"a", "b"}, f.picked())

		require.NoError(t, f.set.SetDrained("a", true))
		require.NoError(t, f.push("b"))
		require.NoError(t, f.push("a", "b"))
		f.up("a")
		assert.Equal(t, []string{"a", "b"}, f.picked(), "who leaves is forgotten")
		assert.EqualError(t, f.set.SetDrained("c", true), `no endpoint "c" in the list`)
	})
}

func TestADrainedEndpointThatIsMadeAnewIsStillDrained(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.set.SetDrained("a", true))
		f.cfg.HealthCheck.Fall = 3
		require.NoError(t, f.push("a", "b"))
		for _, sc := range f.live() {
			if sc.connectCalls() > 0 && len(sc.history()) == 0 {
				sc.become(connectivity.Ready, nil)
			}
		}
		assert.Equal(t, []string{"b"}, f.picked())
	})
}

// Between a change of an endpoint and the first verdict on the new connection,
// the old one is picked: draining must reach it.
func TestDrainingReachesAConnectionThatIsAboutToBeReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.cfg.HealthCheck.Fall = 3
		require.NoError(t, f.push("a", "b"))
		assert.Equal(t, []string{"a", "b"}, f.picked())
		require.NoError(t, f.set.SetDrained("a", true))
		assert.Equal(t, []string{"b"}, f.picked())
		require.NoError(t, f.set.SetDrained("a", false))
		assert.Equal(t, []string{"b"}, f.picked(), "the new connection is not made yet")
		assert.Len(t, f.live("a"), 1)
	})
}

func TestAllDrainedFailsCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		require.NoError(t, f.set.SetDrained("a", true))
		assert.Equal(t, "no eligible endpoint of 1: a drained", f.refusal())
	})
}
