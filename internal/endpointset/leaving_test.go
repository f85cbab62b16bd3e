package endpointset

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/identity"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// leavingNames gives the names of the endpoints that are leaving.
func (f *fixture) leavingNames() []string {
	synctest.Wait()
	var names []string
	for _, e := range f.set.Status().Leaving {
		names = append(names, e.Name)
	}
	return names
}

// held is a set in which "a" and "b" have left the list and serve on, since "c" and
// "d" refuse.
func held(t *testing.T, f *fixture) {
	t.Helper()
	require.NoError(t, f.push("a", "b"))
	f.up("a", "b")
	require.NoError(t, f.push("c", "d"))
	f.down(errRefused, "c", "d")
	require.Equal(t, []string{"a", "b"}, f.leavingNames())
}

// handovers gives the events about handovers, in short.
func (f *fixture) handovers() []string {
	var out []string
	for _, e := range f.set.teller.Events() {
		if e.Kind == report.EventHandover {
			out = append(out, string(e.To))
		}
	}
	return out
}

func TestEndpointsThatHaveLeftServeUntilTheNewListCan(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.push("c", "d"))
		began := time.Now()
		h := f.set.Status().Handover
		assert.Equal(t, report.ReasonUndecided, h.Reason)
		assert.Empty(t, f.set.Status().Notes, "as in any change of a list")
		f.down(errRefused, "c", "d")

		time.Sleep(time.Hour)
		assert.Equal(t, []string{"a", "b"}, f.picked())
		assert.Equal(t, connectivity.Ready, f.state())
		s := f.set.Status()
		require.Len(t, s.Endpoints, 2)
		require.Len(t, s.Leaving, 2)
		assert.Equal(t, report.StateHealthy, s.Leaving[0].State)
		assert.Equal(t, began, s.Leaving[0].LeavingSince)
		assert.NotZero(t, s.Leaving[0].Probe.Checks)
		assert.Zero(t, s.Eligible(), "of the list")
		require.NotNil(t, s.Handover)
		assert.Equal(t, report.ReasonNoneEligible, s.Handover.Reason)
		assert.Equal(t, began, s.Handover.Since)
		assert.Contains(t, s.Handover.Detail, "c unreachable (")
		require.Len(t, s.Notes, 1)
		assert.Contains(t, s.Notes[0], "2 that have left the list are kept until one can: c unreachable (")

		f.awaitTry("d")
		f.up("d")
		assert.Equal(t, []string{"d"}, f.picked())
		assert.Empty(t, f.live("a", "b"))
		s = f.set.Status()
		assert.Nil(t, s.Handover)
		assert.Empty(t, s.Leaving)
		assert.Empty(t, s.Notes)
		assert.Equal(t, []string{"held", "ended"}, f.handovers(), "once each")
		for _, e := range f.set.teller.Events() {
			switch e.To {
			case report.HandoverHeld:
				assert.Equal(t, report.ReasonNoneEligible, e.Reason)
				assert.Contains(t, e.Detail, "leaving: a, b; no eligible endpoint of 2: c unreachable (connection refused")
			case report.HandoverEnded:
				assert.Equal(t, e.At.Sub(began), e.Held)
			default:
			}
		}
		assert.Equal(t, "healthy -> removed ()", f.lines("a")[len(f.lines("a"))-1])
	})
}

func TestAChangeOfTheListThatWorksIsNotToldAsAHandover(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.push("c", "d"))
		f.up("c", "d")
		assert.Equal(t, []string{"c", "d"}, f.picked())
		assert.Empty(t, f.handovers())
		require.NoError(t, f.push("d"))
		assert.Equal(t, []string{"d"}, f.picked(), "a removal is at once")
		assert.Empty(t, f.live("c"))
		assert.Nil(t, f.set.Status().Handover)
	})
}

func TestTheLastThatWorksStaysAlthoughItIsRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.server("b").set(notServing())
		assert.Equal(t, []string{"a"}, f.picked())
		require.NoError(t, f.push("b"))
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Equal(t, []string{"held"}, f.handovers())
		f.server("b").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"b"}, f.picked())
	})
}

func TestALeavingEndpointIsJudgedAsEver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		held(t, f)
		f.server("a").set(notServing())
		assert.Equal(t, []string{"b"}, f.picked(), "out at once")
		assert.Equal(t, "healthy -> unhealthy (not_serving)", f.lines("a")[3])
		f.server("a").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a", "b"}, f.picked())
		f.down(errRefused, "a")
		f.up("a") // its connection was a good one
		assert.Equal(t, []string{"a", "b"}, f.picked())
		f.server("a").set(notServing())
		f.server("b").set(notServing())
		assert.Contains(t, f.refusal(), "no eligible endpoint of 2: c unreachable", "what is said is about the list")
		assert.Equal(t, []string{"a", "b"}, f.leavingNames(), "they may come back")
		checkEvents(t, f.set)
	})
}

func TestFailOpenAndWaitApplyOnceNoLeavingEndpointServes(t *testing.T) {
	for _, policy := range []settings.NoneEligible{settings.FailOpen, settings.Wait} {
		t.Run(string(policy), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a"))
				f.up("a")
				f.server("c").set(notServing())
				require.NoError(t, f.push("c"))
				f.up("c")
				assert.Equal(t, []string{"a"}, f.picked())
				f.server("a").set(notServing())
				if policy == settings.FailOpen {
					assert.Equal(t, []string{"c"}, f.picked(), "the one of the list")
				} else {
					assert.True(t, f.waits())
				}
			}, withPolicy(policy))
		})
	}
}

func TestAListThatReplacesOneInHandoverKeepsThoseThatServe(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		held(t, f)
		a := f.conn("a")
		require.NoError(t, f.push("e", "a"))
		assert.Empty(t, f.live("c", "d"), "they were never eligible")
		assert.Equal(t, []string{"b"}, f.leavingNames())
		assert.Equal(t, []string{"a", "b"}, f.picked())
		f.down(errRefused, "e")
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Same(t, a, f.conn("a"), "listed again, with its connection")
		assert.Equal(t, []string{"held", "ended"}, f.handovers())

		require.NoError(t, f.push("f"))
		f.down(errRefused, "f")
		require.NoError(t, f.push("g"))
		f.down(errRefused, "g")
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Equal(t, []string{"held", "ended", "held", "held"}, f.handovers(), "once for each list")
		require.NoError(t, f.push("g"))
		require.NoError(t, f.push("a"))
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Same(t, a, f.conn("a"))
		assert.Equal(t, []string{"held", "ended", "held", "held", "ended"}, f.handovers())
		assert.Len(t, f.lines("a"), 3, "it was never gone: %v", f.lines("a"))
	})
}

func TestAnEmptyListEndsAHandover(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		held(t, f)
		assert.Equal(t, balancer.ErrBadResolverState, f.push())
		assert.Empty(t, f.live())
		assert.Equal(t, []string{"held", "ended"}, f.handovers())
	})
}

func TestAHandoverEndsWhenTheWholeListIsDrained(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.push("c", "d"))
		f.up("c")
		require.NoError(t, f.set.SetDrained("d", true))
		assert.Equal(t, []string{"c"}, f.picked(), "d is decided")

		require.NoError(t, f.push("e", "f"))
		require.NoError(t, f.set.SetDrained("e", true))
		assert.Equal(t, []string{"c"}, f.picked())
		require.ErrorContains(t, f.set.SetDrained("c", true), `no endpoint "c" in the list`)
		require.NoError(t, f.set.SetDrained("f", true))
		assert.Equal(t, "no eligible endpoint of 2: e drained, f drained", f.refusal())
		assert.Empty(t, f.live("c"))
	})
}

func at(name, addr string) resolver.Endpoint { return resolver.Endpoint{Name: name, Address: addr} }

func TestANameMeansTheListedOneOfTwo(t *testing.T) {
	for _, policy := range []func(*settings.Config){func(*settings.Config) {}, activePassive} {
		inBubble(t, func(t *testing.T, f *fixture) {
			f.pushOurs(t, at("a", "old:1"), at("b", "b:1"))
			f.up("old:1")
			f.down(errRefused, "b:1")
			time.Sleep(machine.MostProving)
			f.pushOurs(t, at("a", "new:1"), at("b", "b:1"))
			f.down(errRefused, "new:1")
			assert.Equal(t, []string{"old:1"}, f.picked())
			assert.Equal(t, "new:1", f.status("a").Address)
			lines := len(f.lines("a"))
			f.server("old:1").set(hanging())
			time.Sleep(5 * time.Second)
			assert.Len(t, f.lines("a"), lines, "what happens to the old one is not told as of the new one")
			f.server("old:1").set(serving())
			time.Sleep(5 * time.Second)
			assert.Equal(t, []string{"old:1"}, f.picked())

			if f.set.choice == nil {
				require.NoError(t, f.set.SetDrained("a", true))
				assert.True(t, f.status("a").Drained)
				assert.Equal(t, []string{"old:1"}, f.picked())
				require.NoError(t, f.set.SetDrained("a", false))
			}
			a := f.conn("old:1")
			f.pushOurs(t, at("a", "old:1"), at("b", "b:1"))
			assert.Same(t, a, f.conn("old:1"))
			assert.Equal(t, " -> healthy (serving)", f.lines("a")[len(f.lines("a"))-1])
			checkEvents(t, f.set)
			checkAccounts(t, f.set)
		}, policy)
	}
}

func TestAHandoverThatIsInsistedOnIsOverAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.set.HandOver() // there is none
		assert.Equal(t, []string{"a"}, f.picked())
		require.NoError(t, f.push("b"))
		f.set.HandOver()
		assert.Empty(t, f.live("a"))
		assert.True(t, f.waits(), "for b")
		f.down(errRefused, "b")
		assert.Contains(t, f.refusal(), "b unreachable")
		assert.Empty(t, f.handovers())
	})
	inBubble(t, func(t *testing.T, f *fixture) {
		held(t, f)
		f.cfg.Handover = settings.HandoverImmediate
		require.NoError(t, f.push("c", "d"))
		assert.Empty(t, f.live("a", "b"), "a setting that comes later ends it too")
		f.awaitTry("c")
		f.up("c")
		require.NoError(t, f.push("e"))
		assert.Empty(t, f.live("c"))
		assert.True(t, f.waits())
		f.deliver(f.set.Close)
		f.set.HandOver()
	})
}

func TestWaitHandoverWaitsForItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.set.WaitHandover(t.Context()), "there is none")
		held(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := f.set.WaitHandover(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "the handover is not over: leaving: a, b; no eligible endpoint of 2: c unreachable (connection refused")

		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- f.set.WaitHandover(t.Context()) }()
		}
		f.awaitTry("c")
		require.Empty(t, ended)
		f.up("c")
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		assert.Equal(t, []string{"c"}, f.picked())

		require.NoError(t, f.push("e"))
		go func() { ended <- f.set.WaitHandover(t.Context()) }()
		synctest.Wait()
		f.deliver(f.set.Close)
		require.ErrorIs(t, <-ended, ErrClosed)
	})
}

func TestTheSwitchToANewListIsImmediate(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		held(t, f)
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"a"}, f.picked(), "it stays the choice")
		assert.True(t, f.set.Status().Leaving[0].Active)
		f.server("a").set(notServing())
		assert.Equal(t, []string{"b"}, f.picked(), "also among those that leave")
		f.awaitTry("d")
		began := time.Now()
		f.up("d")
		assert.Equal(t, []string{"d"}, f.picked())
		assert.Equal(t, began, time.Now(), "without a hold-down")
		assert.Equal(t, []taken{{1, "", "a"}, {2, "a", "b"}, {3, "b", "d"}}, f.switches())
	}, activePassive)
}

func TestTheSwitchToANewListWaitsForTheSuccessorOfTheActiveOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, at("a", "a:1"), at("b", "b:1"))
		f.up("a:1", "b:1")
		f.pushOurs(t, at("a", "a:2"), at("b", "b:2"))
		f.up("b:2")
		assert.Equal(t, []string{"a:1"}, f.picked(), "a is about to be back")
		f.up("a:2")
		assert.Equal(t, []string{"a:2"}, f.picked())
		assert.Equal(t, []taken{{1, "", "a"}, {2, "a", "a"}}, f.switches())

		f.pushOurs(t, at("c", "c:1"), at("d", "d:1"), at("e", "e:1"))
		assert.Empty(t, f.handovers(), "all are undecided")
		f.up("d:1")
		assert.Equal(t, []string{"a:2"}, f.picked(), "c is preferred")
		time.Sleep(preferredPatience)
		assert.Equal(t, []string{"d:1"}, f.picked(), "but not waited for")
		f.pushOurs(t, at("f", "f:1"), at("g", "g:1"))
		f.up("f:1")
		assert.Equal(t, []string{"f:1"}, f.picked(), "none is preferred to f")
	}, activePassive)
}

// A pin says that the calls are to go nowhere else.
func TestAPinnedNameIsHandedOverToItselfOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, at("a", "a:1"), at("b", "b:1"))
		f.up("a:1", "b:1")
		require.NoError(t, f.set.Pin("a"))
		f.pushOurs(t, at("a", "a:2"), at("b", "b:1"))
		f.down(errRefused, "a:2")
		assert.Equal(t, []string{"a:1"}, f.picked())
		assert.Equal(t, []string{"held"}, f.handovers())
		require.NoError(t, f.set.Unpin())
		assert.Equal(t, []string{"b:1"}, f.picked())
		assert.Equal(t, []string{"held", "ended"}, f.handovers())

		f.pushOurs(t, at("c", "c:1"))
		f.down(errRefused, "c:1")
		require.ErrorContains(t, f.set.Pin("b"), `pin "b" refused: no such endpoint in the list`)
	}, activePassive)
}

func TestTheZoneMattersAmongThoseThatLeave(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, standing("a", "eu"), standing("b", "us"))
		f.up("a:1", "b:1")
		f.pushOurs(t, standing("c", "eu2"), standing("d", "us"))
		f.down(errRefused, "c:1", "d:1")
		assert.Equal(t, []string{"a:1"}, f.picked())
		assert.False(t, f.set.Status().Spilled)
		f.server("a:1").set(notServing())
		assert.Equal(t, []string{"b:1"}, f.picked())
		assert.True(t, f.set.Status().Spilled)
	}, inZone("eu"))
}

func TestTheWeightsOfThoseThatLeaveHold(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		a, b := at("a", "a:1"), at("b", "b:1")
		a.Weight = 3
		f.pushOurs(t, a, b)
		f.up("a:1", "b:1")
		f.pushOurs(t, at("c", "c:1"))
		f.down(errRefused, "c:1")
		assert.Equal(t, map[string]int{"a:1": 300, "b:1": 100}, f.spread(t, 400))
	})
}

func TestAServerThatIsAnotherThanExpectedNeitherStaysNorTakesOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		wrong := map[string]bool{"c": true}
		options := &Options{Validator: func(_ context.Context, _ grpc.ClientConnInterface, e resolver.Endpoint) (identity.Result, string) {
			if wrong[e.Address] {
				return identity.Mismatch, "another"
			}
			return identity.OK, ""
		}}
		push := func(addrs ...string) {
			f.deliver(func() {
				require.NoError(t, f.set.UpdateClientConnState(balancer.ClientConnState{
					ResolverState:  grpcresolver.State{Endpoints: endpointsOf(addrs...), Attributes: attributes.New(options.Attribute())},
					BalancerConfig: &f.cfg,
				}))
			})
		}
		push("a", "b")
		f.up("a", "b")
		push("c")
		f.up("c")
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"a", "b"}, f.picked(), "a mismatch is not eligible")
		wrong["a"] = true
		f.down(errRefused, "a")
		f.up("a")
		assert.Equal(t, []string{"b"}, f.picked(), "a is another one now")
		wrong["c"] = false
		f.down(errRefused, "c")
		f.awaitTry("c")
		f.up("c")
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"c"}, f.picked())
	})
}
