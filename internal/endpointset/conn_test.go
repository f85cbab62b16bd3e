package endpointset

import (
	"context"
	"errors"
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
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/identity"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// grpc: TestRoundRobin_OneServerDown.
func TestALostEndpointIsNotPickedAnyMore(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b", "c")
		f.down(errRefused, "b")
		assert.Equal(t, connectivity.Ready, f.state())
		assert.Equal(t, []string{"a", "c"}, f.picked())
	})
}

// grpc: TestRoundRobin_AllServersDown, TestPickFirst_StickyTransientFailure.
func TestTransientFailureStaysUntilAnEndpointIsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.down(errRefused, "a")
		assert.Equal(t, connectivity.Connecting, f.state(), "b may still come")
		f.down(errRefused, "b")
		assert.Equal(t, connectivity.TransientFailure, f.state())
		for range 5 {
			f.awaitTry("a", "b")
			assert.Equal(t, connectivity.TransientFailure, f.state(), "while the next attempt is under way")
			f.conn("a").become(connectivity.Connecting, nil)
			assert.Equal(t, connectivity.TransientFailure, f.state())
			f.down(errRefused, "a", "b")
			assert.Contains(t, f.refusal(), "connection refused")
		}
		f.awaitTry("b")
		f.up("b")
		assert.Equal(t, connectivity.Ready, f.state())
		assert.Equal(t, []string{"b"}, f.picked())
	})
}

func TestAReadyEndpointWithoutAVerdictIsStillInTrouble(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.down(errRefused, "a")
		f.server("a").set(hanging())
		f.awaitTry("a")
		f.up("a")
		assert.Equal(t, connectivity.TransientFailure, f.state())
		f.server("a").set(serving())
		assert.Equal(t, connectivity.Ready, f.state())
	})
}

func TestAProvenConnectionThatIsLostIsReplacedAtOnce(t *testing.T) {
	for name, lost := range map[string]connectivity.State{
		"by GOAWAY": connectivity.Idle, "by a reset": connectivity.TransientFailure,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a"))
				f.up("a")
				old := f.conn("a")
				old.become(lost, nil)
				assert.Same(t, old, f.conn("a"), "the SubConn is used again")
				assert.Equal(t, 2, old.connectCalls())
				assert.Equal(t, connectivity.Connecting, f.state())
				assert.True(t, f.waits(), "the only endpoint is undecided, not in trouble")
				f.up("a")
				assert.Equal(t, []string{"a"}, f.picked())
			})
		})
	}
}

func TestAConnectionThatIsLostBeforeItProvedGoodIsPausedOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.server("a").set(hanging())
		f.up("a")
		f.conn("a").become(connectivity.Idle, nil)
		synctest.Wait()
		assert.Empty(t, f.live())
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Positive(t, time.Until(f.status("a").NextTry))
	})
}

// A drained endpoint is healthy or not like any other: what it is drained for
// may well end its connection.
func TestADrainedEndpointsConnectionProvesGoodToo(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		require.NoError(t, f.set.SetDrained("a", true))
		f.up("a", "b")
		f.conn("a").become(connectivity.Idle, nil)
		synctest.Wait()
		require.Len(t, f.live("a"), 1, "replaced at once")
		f.up("a")
		require.NoError(t, f.set.SetDrained("a", false))
		assert.Equal(t, []string{"a", "b"}, f.picked())
	})
}

func TestAnEndpointThatConnectsForFiveSecondsIsUnreachable(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		sc := f.conn("a")
		sc.become(connectivity.Connecting, nil)
		time.Sleep(link.ConnectTimeout - time.Millisecond)
		synctest.Wait()
		assert.True(t, f.waits())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Contains(t, f.refusal(), "a unreachable (no connection within 5s")
		assert.Equal(t, 1, sc.connectCalls(), "the attempt goes on until grpc ends it")
		f.up("a")
		time.Sleep(2 * link.ConnectTimeout)
		assert.Equal(t, []string{"a"}, f.picked(), "the bound is for attempts only")
		assert.Len(t, f.all(), 1)
	})
}

// pauses measures the pauses before the next n attempts, each of which fails.
func (f *fixture) pauses(addr string, n int) []time.Duration {
	var out []time.Duration
	for range n {
		f.down(errRefused, addr)
		out = append(out, time.Until(f.status(addr).NextTry))
		made := len(f.all(addr))
		time.Sleep(out[len(out)-1] - 1)
		synctest.Wait()
		assert.Len(f.t, f.all(addr), made, "not before it is time")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Len(f.t, f.all(addr), made+1)
	}
	return out
}

func TestPausesGrowToTenSecondsAndStartAgainOnceProven(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("b")
		want := link.MinPause
		for i, got := range f.pauses("a", 20) {
			low, high := time.Duration(float64(want)*(1-link.PauseJitter)), time.Duration(float64(want)*(1+link.PauseJitter))
			assert.GreaterOrEqual(t, got, low, "pause %d", i)
			assert.LessOrEqual(t, got, min(high, link.MaxPause), "pause %d", i)
			want = min(time.Duration(float64(want)*link.PauseGrowth), link.MaxPause)
		}
		f.server("a").set(hanging())
		f.up("a")
		assert.Greater(t, f.pauses("a", 1)[0], time.Second, "a connection alone proves nothing")
		f.server("a").set(serving())
		f.up("a")
		f.conn("a").become(connectivity.Idle, nil) // the first attempt after it is made at once
		assert.LessOrEqual(t, f.pauses("a", 1)[0], 2*link.MinPause)
	})
}

// grpc: TestEndpointShardingExitIdle, TestPickFirst_IdleTimeout.
func TestExitIdleTriesAtOnceAndHurriesNobodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a")
		f.down(errRefused, "b")
		f.set.ExitIdle()
		assert.Len(t, f.all("a"), 1)
		assert.Len(t, f.all("b"), 2, "the pause is over")
		assert.Len(t, f.all("c"), 1, "an attempt is under way")
		f.up("b")
		time.Sleep(link.MaxPause)
		synctest.Wait()
		assert.Len(t, f.all("b"), 2, "the pause was not only cut short but is gone")
		assert.Equal(t, []string{"a", "b"}, f.picked())
	})
}

// grpc: TestSubConnShutdown, and late events after a removal.
func TestNewsOfARemovedConnectionIsIgnored(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		old := f.conn("a")
		health := old.health
		require.NoError(t, f.push("b"))
		synctest.Wait()
		assert.Equal(t, "SHUTDOWN", old.history()[len(old.history())-1], "the last that it is told")
		made := len(f.all())
		for _, s := range []connectivity.State{connectivity.Ready, connectivity.TransientFailure, connectivity.Idle, connectivity.Shutdown} {
			old.listener(balancer.SubConnState{ConnectivityState: s, ConnectionError: errRefused})
			health(balancer.SubConnState{ConnectivityState: s})
		}
		synctest.Wait()
		assert.Len(t, f.all(), made)
		assert.Equal(t, []string{"b"}, f.picked())
	})
}

// grpc: TestBalancer_StateListenerBeforeConnect. The fake fails the test if a state comes
// before Connect, or if Connect comes while grpc would ignore it.
func TestASubConnIsMadeOnceForAnAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a")
		for range 10 {
			f.down(errRefused, "b")
			f.set.ExitIdle()
			time.Sleep(link.ProvenAge)
			f.conn("a").become(connectivity.Idle, nil)
			f.up("a")
		}
		assert.Len(t, f.subConns(), 2)
		assert.Len(t, f.all("b"), 11)
	})
}

// A call that was picked for the connection before could reach a server that is not
// validated.
func TestASubConnIsNotUsedAgainIfConnectionsAreValidated(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.options = &Options{Validator: func(context.Context, grpc.ClientConnInterface, resolver.Endpoint) (identity.Result, string) {
			return identity.OK, ""
		}}
		require.NoError(t, f.push("a"))
		f.up("a")
		old := f.conn("a")
		old.become(connectivity.Idle, nil)
		assert.NotSame(t, old, f.conn("a"))
		assert.True(t, old.isShutdown())
	})
}

// grpc.WithConnectParams: the channel's own pauses after a failed attempt are heeded, and
// do not grow while the server is away.
func TestGRPCsPausesAreHeeded(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.rests = true
		require.NoError(t, f.push("a"))
		sc := f.conn("a")
		f.down(errRefused, "a")
		time.Sleep(time.Minute)
		f.set.ExitIdle()
		synctest.Wait()
		assert.Zero(t, f.dials(), "no knock during the pause")
		assert.Len(t, f.all(), 1)

		sc.rested()
		synctest.Wait()
		assert.Equal(t, 1, f.dials(), "a knock when it is over")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.Equal(t, 11, f.dials(), "and another one after a pause as long as that")
		assert.Len(t, f.all(), 1)
		f.opens.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Len(t, f.subConns(), 1)
	})
}

func TestAChannelThatRefusesSubConnsIsBeingClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a")
		f.mu.Lock()
		f.refuse = true
		f.mu.Unlock()
		f.down(errRefused, "b")
		time.Sleep(3 * link.ConnectTimeout) // of the next attempt, grpc reports nothing
		synctest.Wait()
		assert.Empty(t, f.live(), "the set has closed itself, as grpc may not close it")
		assert.ErrorIs(t, f.set.SetDrained("a", true), ErrClosed)
	})
}

func TestAChannelThatReportsNothingMoreMayBeClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.conn("a").become(connectivity.Connecting, nil)
		time.Sleep(4*link.ConnectTimeout + time.Second)
		assert.True(t, f.conn("a").isBusy(), "it may be allowed to take that long")
		f.mu.Lock()
		f.refuse = true
		f.mu.Unlock()
		time.Sleep(link.ConnectTimeout)
		synctest.Wait()
		assert.ErrorIs(t, f.set.SetDrained("a", true), ErrClosed)
	})
}

func TestCallsOnARemovedEndpointFinishAndCount(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		r, err := f.last().Picker.Pick(pickInfo())
		require.NoError(t, err)
		sc := f.conn("a")
		sc.become(connectivity.Idle, nil) // GOAWAY: the call goes on
		f.up("a")
		assert.Equal(t, report.CallStats{Picked: 1, InFlight: 1}, f.status("a").Calls)
		r.Done(balancer.DoneInfo{BytesReceived: true})
		assert.Equal(t, report.CallStats{Picked: 1, Heard: 1}, f.status("a").Calls)

		r, err = f.last().Picker.Pick(pickInfo())
		require.NoError(t, err)
		require.NoError(t, f.push("b"))
		f.up("b")
		assert.Empty(t, f.live("a"), "Shutdown lets calls finish")
		r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "")})
	})
}

// grpc: TestLeastRequestPersistsCounts.
func TestCountersSurviveSnapshotsAndReconnects(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		for range 3 {
			for range 2 {
				_, err := f.pick()
				require.NoError(t, err)
			}
			time.Sleep(link.ReplaceEvery)
			f.conn("a").become(connectivity.Idle, nil)
			f.up("a")
		}
		assert.Equal(t, report.CallStats{Picked: 6, Heard: 6}, f.status("a").Calls)
		e := f.set.list[0]
		assert.Empty(t, e.retired, "connections without calls are let go")
	})
}

// grpc: TestDoneInfo. A lost pick ends with a nil error and no bytes.
func TestDoneTellsWhatWasHeardAndWhatSpeaksAgainstTheEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		info balancer.DoneInfo
		want report.CallStats
	}{
		"an answer":               {balancer.DoneInfo{BytesSent: true, BytesReceived: true}, report.CallStats{Picked: 1, Heard: 1}},
		"a lost pick":             {balancer.DoneInfo{}, report.CallStats{Picked: 1}},
		"an error of the call":    {balancer.DoneInfo{Err: status.Error(codes.NotFound, ""), BytesReceived: true}, report.CallStats{Picked: 1, Heard: 1}},
		"a canceled call":         {balancer.DoneInfo{Err: status.Error(codes.Canceled, ""), BytesSent: true}, report.CallStats{Picked: 1}},
		"UNAVAILABLE":             {balancer.DoneInfo{Err: status.Error(codes.Unavailable, ""), BytesSent: true}, report.CallStats{Picked: 1, Failed: 1}},
		"UNAVAILABLE, not sent":   {balancer.DoneInfo{Err: status.Error(codes.Unavailable, "")}, report.CallStats{Picked: 1}},
		"UNAVAILABLE, answered":   {balancer.DoneInfo{Err: status.Error(codes.Unavailable, ""), BytesReceived: true}, report.CallStats{Picked: 1, Heard: 1, Failed: 1}},
		"DEADLINE_EXCEEDED":       {balancer.DoneInfo{Err: status.Error(codes.DeadlineExceeded, ""), BytesSent: true}, report.CallStats{Picked: 1, Failed: 1}},
		"INTERNAL":                {balancer.DoneInfo{Err: status.Error(codes.Internal, "stream terminated by RST_STREAM"), BytesSent: true}, report.CallStats{Picked: 1, Failed: 1}},
		"INTERNAL of this side":   {balancer.DoneInfo{Err: status.Error(codes.Internal, "grpc: error while marshaling"), BytesSent: true}, report.CallStats{Picked: 1}},
		"INTERNAL, answered":      {balancer.DoneInfo{Err: status.Error(codes.Internal, ""), BytesReceived: true}, report.CallStats{Picked: 1, Heard: 1}},
		"an error with no status": {balancer.DoneInfo{Err: errors.New("eof"), BytesSent: true}, report.CallStats{Picked: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a"))
				f.up("a")
				r, err := f.last().Picker.Pick(pickInfo())
				require.NoError(t, err)
				assert.Equal(t, report.CallStats{Picked: 1, InFlight: 1}, f.status("a").Calls)
				r.Done(c.info)
				assert.Equal(t, c.want, f.status("a").Calls)
			})
		})
	}
}

// grpc: gracefulswitch's TestBalancerClose, TestUpdateSubConnStateRace.
func TestAfterCloseNothingIsPublishedAndNothingIsLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b")
		f.down(errRefused, "b")
		require.NoError(t, f.push("a", "d")) // b and c are leaving
		f.close()
		f.close()
		for _, sc := range f.all() {
			assert.True(t, sc.isShutdown(), sc.address.Addr)
			sc.listener(balancer.SubConnState{ConnectivityState: connectivity.Ready})
		}
		made, updates := len(f.all()), f.updates()
		f.set.ExitIdle()
		f.set.ResolverError(errRefused)
		assert.NoError(t, f.set.UpdateClientConnState(balancer.ClientConnState{
			ResolverState: grpcresolver.State{Endpoints: endpointsOf("x")},
		}))
		f.set.UpdateSubConnState(nil, balancer.SubConnState{})
		assert.ErrorIs(t, f.set.SetDrained("a", true), ErrClosed)
		_, err := f.set.WaitEligible(t.Context(), 1)
		assert.ErrorIs(t, err, ErrClosed)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, f.all(), made)
		assert.Equal(t, updates, f.updates())
		assert.Empty(t, f.set.Status().Endpoints)
		assert.Zero(t, f.server("a").openWatches())
	})
}

func TestCloseMayRaceWithEverything(t *testing.T) {
	for range 20 {
		f := newFixture(t)
		require.NoError(t, f.push("a", "b"))
		var wg sync.WaitGroup
		for _, a := range []string{"a", "b"} {
			sc := f.conn(a)
			wg.Go(func() { sc.become(connectivity.Ready, nil) })
			wg.Go(func() { f.server(a).set(notServing()); f.server(a).set(serving()) })
			wg.Go(func() { _ = f.set.SetDrained(a, true); _ = f.set.SetDrained(a, false) })
		}
		wg.Go(f.set.ExitIdle)
		wg.Go(func() { f.set.Status(); assert.Error(t, f.set.explain()) })
		wg.Go(f.close)
		wg.Wait()
		assert.Empty(t, f.live())
	}
}

// grpc: TestInlineCallbackInBuild, TestResolverBalancerInteraction. A parent may
// call back while it is given a state.
func TestAParentMayCallBackWhileItTakesAState(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.onUpdate(func(balancer.State) {
			f.set.ExitIdle()
			assert.Error(t, f.set.explain())
			f.set.Status()
		})
		require.NoError(t, f.push("a"))
		f.up("a")
		f.resolverError(errRefused)
		assert.Equal(t, []string{"a"}, f.picked())
	})
}

// A user's call may be publishing while grpc closes the policy.
func TestCloseWaitsForAPublicationUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.set.scope.Lock()
		f.set.pub.Hold(true) // no snapshot is published
		f.set.scope.Unlock()
		entered, release := make(chan struct{}), make(chan struct{})
		f.onUpdate(func(balancer.State) {
			close(entered)
			<-release
		})
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, f.set.SetDrained("a", true)) })
		<-entered
		done := make(chan struct{})
		wg.Go(func() {
			f.close()
			close(done)
		})
		synctest.Wait()
		select {
		case <-done:
			t.Error("Close has returned while UpdateState runs")
		default:
		}
		close(release)
		wg.Wait()
	})
}

// connectAndLose connects the endpoint again and again, and has each connection end
// after it has lived so long. It returns how many there were in the given time.
func (f *fixture) connectAndLose(addr string, lives, lasts time.Duration, use func()) int {
	n := 0
	for end := time.Now().Add(lasts); time.Now().Before(end); n++ {
		f.awaitTry(addr)
		f.up(addr)
		use()
		time.Sleep(lives)
		f.conn(addr).become(connectivity.Idle, nil)
		synctest.Wait()
	}
	return n
}

func TestAServerThatHangsUpAtOnceIsConnectedToLessAndLess(t *testing.T) {
	elsewhere := func(c *settings.Config) { c.HealthCheck.HTTP = "http://{host}:1/" }
	unanswered := func(*settings.Config) {}
	for name, change := range map[string]func(*settings.Config){
		"without health checks": withoutChecks, "with health checks elsewhere": elsewhere, "with unanswered health checks": unanswered,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a"))
				f.server("a").set(hanging())
				n := f.connectAndLose("a", 5*time.Millisecond, time.Minute, func() {})
				assert.Less(t, n, 20)
				assert.LessOrEqual(t, len(f.set.teller.Events()), 4*n+5)
				assert.Greater(t, time.Until(f.status("a").NextTry), 2*time.Second)
			}, change)
		})
	}
}

func TestAConnectionProvesItselfByAnAnsweredCallOrByItsAge(t *testing.T) {
	call := func(f *fixture) func() {
		return func() {
			_, err := f.pick()
			assert.NoError(f.t, err)
		}
	}
	for name, c := range map[string]struct {
		lives time.Duration
		use   func(f *fixture) func()
		most  int
	}{
		"by a call":     {5 * time.Millisecond, call, 250},
		"by its age":    {link.ProvenAge, func(*fixture) func() { return func() {} }, 10},
		"by both, soon": {0, call, 250},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a"))
				n := f.connectAndLose("a", c.lives, 10*time.Second, c.use(f))
				assert.LessOrEqual(t, n, c.most)
				assert.Greater(t, n, c.most/2)
			}, withoutChecks)
		})
	}
}

func TestAProbeThatMeetsTheEndOfItsConnectionIsMadeAgainOnTheNextOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.server("a").hasEnded(true)
		f.up("a")
		first := f.all("a")[0]
		assert.False(t, first.isShutdown(), "grpc is expected to report it")
		time.Sleep(link.ReportWait)
		synctest.Wait()
		assert.True(t, first.isShutdown(), "the first probe has met the end")
		assert.Equal(t, report.StateUnreachable, f.status("a").State, "it has not proven itself")
		f.server("a").hasEnded(false)
		f.awaitTry("a")
		f.up("a")
		assert.Equal(t, report.StateHealthy, f.status("a").State)

		time.Sleep(time.Second)
		f.server("a").hasEnded(true)
		time.Sleep(2 * time.Second)
		assert.True(t, f.waits(), "for the connection that replaces it")
		f.server("a").hasEnded(false)
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		for _, n := range f.status("a").Transitions {
			assert.NotEqual(t, report.StateUnhealthy, n.To)
		}
	}, func(c *settings.Config) { c.HealthCheck.NoWatch = true })
}
