package endpointset

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
)

// taken is one switch, without its reason and time.
type taken struct {
	number   uint64
	from, to string
}

func (f *fixture) switches() []taken {
	var list []taken
	for _, e := range f.set.teller.Events() {
		if e.Kind == report.EventSwitch {
			list = append(list, taken{e.Switch.Number, e.Switch.From, e.Switch.To})
		}
	}
	return list
}

// When a switch is told, the snapshot in force is the new one, and even a pick of
// an older snapshot does not give the old active.
func TestASwitchIsToldAfterNoPickGivesTheOldActive(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		assert.Equal(t, []string{"a"}, f.picked())
		old := f.last().Picker
		toldAt := -1
		f.onUpdate(func(balancer.State) {
			_, err := old.Pick(pickInfo())
			assert.Equal(t, balancer.ErrNoSubConnAvailable, err)
			toldAt = len(f.switches())
		})
		require.NoError(t, f.set.SwitchTo("b"))
		assert.Equal(t, 1, toldAt, "while the snapshot is being published, only the first choice has been told")
		assert.Len(t, f.switches(), 2)
		assert.Equal(t, []string{"b"}, f.picked())
		f.onUpdate(nil)
	}, activePassive)
}

// grpc: TestPriority_SwitchPriority.
func TestTheActiveFollowsTheEndpointThatServes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b", "c")
		for _, step := range []struct {
			down, active string
		}{{"a", "b"}, {"b", "c"}} {
			f.server(step.down).set(notServing())
			assert.Equal(t, []string{step.active}, f.picked())
		}
		f.server("a").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"c"}, f.picked(), "it stays, although a is preferred")
		assert.Equal(t, []taken{{1, "", "a"}, {2, "a", "b"}, {3, "b", "c"}}, f.switches())
	}, activePassive)
}

// grpc: TestPriority_HighPriorityToConnectingFromReady. There the switch is at
// once; here the active has the time to connect anew.
func TestAnActiveWhoseConnectionIsLostHasTheTimeToConnectAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.conn("a").become(connectivity.Idle, nil)
		assert.True(t, f.waits())
		assert.Equal(t, connectivity.Connecting, f.state())
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		time.Sleep(link.ReplaceEvery)
		f.conn("a").become(connectivity.Idle, nil)
		f.conn("a").become(connectivity.TransientFailure, errRefused)
		assert.Equal(t, []string{"b"}, f.picked(), "refused is refused")
		assert.Equal(t, []taken{{1, "", "a"}, {2, "a", "b"}}, f.switches())
		f.conn("b").become(connectivity.Idle, nil)
		f.awaitTry("a")
		f.up("a")
		assert.True(t, f.waits(), "for b")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a"}, f.picked(), "but not for long")
	}, activePassive)
}

// grpc: TestPriority_HigherReadyCloseAllLower. There the lower ones are closed;
// here they are kept, so that a switch finds them connected.
func TestStandbysKeepTheirConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("b")
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"b"}, f.picked())
		f.up("a")
		time.Sleep(time.Hour)
		assert.Len(t, f.live(), 2)
		assert.Equal(t, []string{"b"}, f.picked())
	}, activePassive)
}

// grpc: TestPriority_InitTimeout.
func TestThePreferredHasASecondAtTheFirstChoice(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("b")
		assert.True(t, f.waits())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"b"}, f.picked())
	}, activePassive)
}

// grpc: TestPriority_HighPriorityUpdatesWhenLowInUse.
func TestANewPreferredEndpointDoesNotTakeOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.server("a").set(notServing())
		assert.Equal(t, []string{"b"}, f.picked())
		require.NoError(t, f.push("c", "b"))
		f.up("c")
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"b"}, f.picked())
		f.server("b").set(notServing())
		assert.Equal(t, []string{"c"}, f.picked())
	}, activePassive)
}

// grpc: TestPriority_ChildPolicyUpdatePickerInline.
func TestGRPCMayCallBackWhileASwitchIsPublished(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.onUpdate(func(balancer.State) { f.set.Status() })
		f.server("a").set(notServing())
		assert.Equal(t, []string{"b"}, f.picked())
		f.onUpdate(nil)
	}, activePassive)
}

func TestWhenTheActiveIsInDoubtEveryoneIsAskedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b", "c")
		before := map[string]int{}
		for _, name := range []string{"a", "b", "c"} {
			before[name] = f.server(name).checkCalls("")
		}
		f.set.byName["a"].checker.Doubt(report.ReasonSilence)
		synctest.Wait()
		for name, n := range before {
			assert.Equal(t, n+1, f.server(name).checkCalls(""), name)
		}
		assert.Equal(t, []string{"a"}, f.picked())
	}, activePassive, slowChecks)
}

// slowChecks leaves nothing to chance: what is asked within an hour was asked for.
func slowChecks(c *settings.Config) {
	c.HealthCheck.Interval = time.Hour
	c.HealthCheck.Timeout = time.Second
	c.HealthCheck.NoWatch = true
}

func TestWhileNobodyIsActiveTheSearchGoesOnAtAGrowingPaceUpToASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.server("b").set(notServing())
		f.up("a", "b")
		f.server("a").set(notServing())
		f.set.byName["a"].checker.Doubt(report.ReasonSilence)
		synctest.Wait()
		asked := func(d time.Duration) int {
			before := f.server("b").checkCalls("")
			time.Sleep(d)
			return f.server("b").checkCalls("") - before
		}
		assert.InDelta(t, 4, asked(time.Second), 1, "0.1 s, 0.2 s, 0.4 s")
		time.Sleep(time.Second)
		assert.InDelta(t, 11, asked(10*time.Second), 2)
		f.server("b").set(serving())
		time.Sleep(1200 * time.Millisecond)
		assert.Equal(t, []string{"b"}, f.picked())
		assert.Zero(t, asked(time.Minute), "found")
	}, activePassive, slowChecks)
}

func TestWhileNobodyIsActiveSomebodyKnocksAtClosedDoors(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a")
		f.down(errRefused, "b")
		for range 20 { // until the pauses between its attempts are long
			f.awaitTry("b")
			f.down(errRefused, "b")
		}
		before := f.dials()
		time.Sleep(time.Second)
		assert.LessOrEqual(t, f.dials()-before, 2, "a standby is knocked at about once a second")
		f.server("a").set(notServing())
		synctest.Wait()
		before = f.dials()
		time.Sleep(700 * time.Millisecond)
		assert.GreaterOrEqual(t, f.dials()-before, 3)
	}, activePassive)
}

func TestAnActiveWhoseCallsFailIsEjectedAndComesBackAsAStandbyWithoutATrial(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		for range defaultConsecutiveFailures {
			r, err := f.last().Picker.Pick(pickInfo())
			require.NoError(t, err)
			r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "no"), BytesSent: true})
		}
		assert.Equal(t, []string{"b"}, f.picked())
		assert.Equal(t, report.StateEjected, f.status("a").State)
		time.Sleep(2 * time.Second)
		assert.Equal(t, report.StateHealthy, f.status("a").State)
		assert.Equal(t, []string{"b"}, f.picked())
		events := f.set.teller.Events()
		for _, e := range events {
			if e.Switch.To == "b" {
				assert.Equal(t, report.ReasonCallsFailing, e.Reason)
			}
		}
	}, activePassive)
}

func TestAPinnedActiveIsNotEjected(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.set.Pin("a"))
		for range 2 * defaultConsecutiveFailures {
			r, err := f.last().Picker.Pick(pickInfo())
			require.NoError(t, err)
			r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "no"), BytesSent: true})
		}
		assert.Equal(t, []string{"a"}, f.picked())
	}, activePassive)
}

func TestPinsAreEvents(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.set.Pin("b"))
		require.NoError(t, f.set.Pin("a"))
		require.NoError(t, f.push("b"))
		var pins []string
		for _, e := range f.set.teller.Events() {
			if e.Kind == report.EventPin {
				pins = append(pins, e.String())
			}
		}
		assert.Equal(t, []string{
			`endpoint "b": unpinned -> pinned`, `endpoint "b": pinned -> unpinned`,
			`endpoint "a": unpinned -> pinned`, `endpoint "a": pinned -> unpinned`,
		}, pins)
	}, activePassive)
}

func TestSwitchesPinsAndSeveralActiveAreLinesOfTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		b := newLogBook(slog.LevelInfo)
		f.pushLogged(b, "a", "b")
		f.up("a", "b")
		require.NoError(t, f.set.Pin("b"))
		f.server("b").set(notServing())
		synctest.Wait()
		var lines []string
		for _, r := range append(b.about(""), b.about("b")...) {
			switch r["message"] {
			case "another endpoint is active", "the active endpoint is pinned", "several endpoints say that they serve", "only one endpoint says that it serves":
				lines = append(lines, fmt.Sprintln(r["level"], r["message"], r["switch"], r["from"], r["to"], r["reason"], r["detail"]))
			}
		}
		assert.Equal(t, []string{
			"WARN several endpoints say that they serve <nil> one_active multiple_active multiple_active a, b\n",
			"INFO only one endpoint says that it serves <nil> multiple_active one_active <nil> <nil>\n",
			"INFO the active endpoint is pinned <nil> unpinned pinned <nil> <nil>\n",
			"INFO another endpoint is active 2 a b pinned <nil>\n",
		}, lines)
	}, activePassive)
}

func TestAPickOfTheActiveAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, activePassive)
		defer f.close()
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		p, info := f.last().Picker, pickInfo()
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			r, _ := p.Pick(info)
			r.Done(balancer.DoneInfo{BytesReceived: true})
		}))
	})
}

func TestAClosedSetRefusesCommands(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.set.Close()
		assert.ErrorIs(t, f.set.SwitchTo("b"), ErrClosed)
		assert.ErrorIs(t, f.set.SetDrained("b", true), ErrClosed)
		f.set.scope.Lock()
		defer f.set.scope.Unlock()
		assert.False(t, f.set.choice.state.Waits())
		assert.Empty(t, f.set.moving)
	}, activePassive)
}

func TestTheErrorOfNobodyEligibleNamesThePin(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.set.Pin("b"))
		f.server("b").set(notServing())
		synctest.Wait()
		assert.Regexp(t, `^no eligible endpoint of 2: b unhealthy \(not_serving.*\); the active endpoint is pinned to b$`, f.refusal())
		f.down(errors.New("reset"), "b")
		f.down(errRefused, "b")
		assert.Contains(t, f.refusal(), "connection refused")
	}, activePassive)
}
