package selector

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/report"
)

func TestTheActiveStaysWhileItIsEligible(t *testing.T) {
	tell(t, Config{}, "a", "b").out("a").up("b").wantActive("b").
		up("a").wantActive("b").after(time.Hour).wantActive("b").
		suspect("b").wantActive("b", "a suspicion is not enough").up("b").
		out("b").wantActive("a").
		up("b").after(time.Hour).wantActive("a").
		wantSwitches(">b first_choice", "b>a not_serving")
}

func TestPriorityComesBeforeTheOrderOfTheList(t *testing.T) {
	s := tell(t, Config{})
	s.list(Member{ID: 1, Name: "a", Priority: 2}, Member{ID: 2, Name: "b", Priority: 1}, Member{ID: 3, Name: "c", Priority: 1})
	s.out("a", "b", "c").up("a").wantActive("a").up("c", "b").out("a").wantActive("b")
}

func TestTheFirstChoiceWaitsForThePreferredButNotForLong(t *testing.T) {
	tell(t, Config{}, "a", "b").up("b").wantActive("").up("a").wantActive("a").wantSwitches(">a first_choice")
	tell(t, Config{}, "a", "b").up("b").wantActive("").out("a").wantActive("b")
	s := tell(t, Config{}, "a", "b").up("b")
	assert.True(t, s.state.Waiting())
	s.after(Patience - 1).wantActive("").after(1).wantActive("b")
	assert.False(t, s.state.Waiting())
	tell(t, Config{}, "a", "b").up("a").wantActive("a", "no member is better")
	tell(t, Config{}, "a", "b").up("b").after(Patience/2).out("b").up("b").after(Patience/2).wantActive("").
		after(Patience/2).wantActive("b", "the wait counts from when a member could be chosen")
	tell(t, Config{}, "a", "b").up("b").command(EventDrain, "a").wantActive("b", "the drained are not waited for")
	tell(t, Config{}, "a", "b").up("b").command(EventSwitch, "b").wantActive("b").wantSwitches(">b by_hand")
}

func TestWithoutAnEligibleOneNobodyIsActive(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a").out("b")
	s.out("a").wantActive("")
	assert.True(t, s.effects.Changed)
	assert.Zero(t, s.effects.Switch)
	assert.Equal(t, report.ReasonNotServing, s.state.Lost())
	assert.Equal(t, "a", s.state.Last().Name)
	assert.Equal(t, s.now, s.state.Since())
	assert.False(t, s.state.Waiting())
	s.after(time.Minute).up("a").wantActive("a").wantSwitches(">a first_choice")
	assert.True(t, s.effects.Changed)
	assert.Zero(t, s.effects.Switch, "no member took over")
	assert.Equal(t, report.ReasonNone, s.state.Lost())
	s.out("a").after(time.Minute).up("b").wantActive("b").wantSwitches(">a first_choice", "a>b not_serving")
}

func TestAnActiveThatConnectsAnewIsWaitedForButNotForLong(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a", "b")
	s.undecided("a").wantActive("a")
	assert.True(t, s.state.Waiting())
	s.after(Patience - 1).up("a").after(time.Hour).wantActive("a").wantSwitches(">a first_choice")
	s.undecided("a").after(Patience - 1).wantActive("a").after(1).wantActive("b")
	s.wantSwitches(">a first_choice", "a>b connection_lost")
	s.undecided("b").out("b").wantActive("", "refused, and a is on its way still").up("a").wantActive("a")
}

func TestFailBackComesAfterTheHoldDownFromRecovery(t *testing.T) {
	cfg := Config{FailBack: FailBackAfterHold, HoldDown: 10 * time.Second}
	s := tell(t, cfg, "a", "b").up("a", "b").out("a").wantActive("b")
	s.after(time.Minute).up("a").after(10*time.Second - 1).wantActive("b").after(1).wantActive("a")
	s.wantSwitches(">a first_choice", "a>b not_serving", "b>a fail_back")
	assert.True(t, s.effects.Wake.IsZero(), "nothing more to come")

	s.after(time.Minute).out("a").up("a").after(6*time.Second).out("a").up("a").after(19*time.Second).wantActive("b", "the second hold-down is twice as long")
	s.after(time.Second).wantActive("a")

	s.after(time.Minute).out("a").up("a").after(9 * time.Second).suspect("a").after(5 * time.Second).wantActive("b")
	s.up("a").wantActive("a", "in doubt it is not returned to, but a suspicion is no relapse")
}

func TestFailBackGoesToTheMostPreferredOfThoseWhoseTimeHasCome(t *testing.T) {
	s := tell(t, Config{FailBack: FailBackAfterHold, HoldDown: 10 * time.Second})
	s.list(Member{ID: 1, Name: "a", Priority: 3}, Member{ID: 2, Name: "b", Priority: 2}, Member{ID: 3, Name: "c", Priority: 1}, Member{ID: 4, Name: "d", Priority: 3})
	s.out("a", "b", "c").up("d").up("a", "b", "c").after(time.Hour).wantActive("c").wantSwitches(">d first_choice", "d>c fail_back")
	s.out("c").wantActive("b").up("c").after(5*time.Second).out("b").wantActive("a", "c is on probation").up("b")
	s.after(time.Hour).wantActive("c")
}

func TestTheHoldDownOfOneThatFlapsDoublesUpToABound(t *testing.T) {
	const hold = 10 * time.Second
	s := tell(t, Config{FailBack: FailBackAfterHold, HoldDown: hold}, "a", "b").up("a", "b").after(time.Hour)
	for _, lasts := range []time.Duration{hold, 2 * hold, 4 * hold, 8 * hold, 16 * hold, 16 * hold, 16 * hold} {
		s.out("a").up("a").after(lasts - 1).wantActive("b")
	}
	s.after(1).wantActive("a").after(16 * hold)
	s.out("a").up("a").after(hold-1).wantActive("b", "it has made up for all that").after(1).wantActive("a")
}

func TestOneThatFailsBackTooEarlyIsNotReturnedToSoSoonAgain(t *testing.T) {
	const hold = 10 * time.Second
	s := tell(t, Config{FailBack: FailBackAfterHold, HoldDown: hold}, "a", "b").up("a", "b").after(time.Hour)
	s.out("a").up("a").after(hold + time.Second).wantActive("a").out("a").up("a").after(2*hold - 1).wantActive("b").after(1).wantActive("a")
}

func TestAConnectionMadeAnewIsNoRelapse(t *testing.T) {
	s := tell(t, Config{FailBack: FailBackAfterHold}, "a", "b").out("a").up("b", "a")
	for range 9 {
		s.after(time.Second).undecided("a").after(Patience / 10).up("a")
	}
	s.wantActive("b").after(100 * time.Millisecond).wantActive("a")
	s.after(time.Hour).out("a").up("a").after(9*time.Second).undecided("a").after(Patience).up("a").
		after(19*time.Second).wantActive("b", "one that takes long is").after(time.Second).wantActive("a")
}

func TestAMemberOnProbationIsChosenLast(t *testing.T) {
	tell(t, Config{}, "a", "b", "c").up("a", "b", "c").out("a").up("a").wantActive("b").
		after(5*time.Second).out("b").wantActive("c").out("c").wantActive("a", "it is better than none")
	tell(t, Config{}, "a", "b", "c").up("a", "b", "c").out("a").up("a").after(10 * time.Second).out("b").wantActive("a")
}

func TestAMemberInDoubtIsChosenLast(t *testing.T) {
	tell(t, Config{}, "a", "b", "c").up("a", "b", "c").suspect("b").out("a").wantActive("c")
}

func TestSwitchByHand(t *testing.T) {
	s := tell(t, Config{}, "a", "b", "c").up("a", "b").out("c")
	s.command(EventSwitch, "b").wantActive("b").after(time.Hour).wantActive("b")
	s.command(EventSwitch, "b").wantActive("b")
	assert.False(t, s.effects.Changed)
	s.command(EventSwitch, "c").wantRefused(`switch "c" refused: it is not eligible (not_serving)`, report.ReasonNotServing).wantActive("b")
	s.command(EventSwitch, "x").wantRefused(`switch "x" refused: no such endpoint in the list`, report.ReasonNone)
	s.command(EventDrain, "a").command(EventSwitch, "a").wantRefused(`switch "a" refused: it is not eligible (drained)`, report.ReasonDrained)
	s.wantSwitches(">a first_choice", "a>b by_hand")
}

func TestAfterASwitchByHandTheHoldDownBeginsAnew(t *testing.T) {
	tell(t, Config{FailBack: FailBackAfterHold}, "a", "b").up("a", "b").after(time.Hour).
		command(EventSwitch, "b").after(10*time.Second-1).wantActive("b").after(1).wantActive("a").
		wantSwitches(">a first_choice", "a>b by_hand", "b>a fail_back")
}

func TestAPinHoldsEligibleOrNot(t *testing.T) {
	s := tell(t, Config{FailBack: FailBackAfterHold}, "a", "b").up("a", "b")
	s.command(EventPin, "b").wantActive("b").after(time.Hour).wantActive("b", "no fail-back")
	assert.Equal(t, "b", s.state.Pinned())
	s.command(EventSwitch, "a").wantRefused(`switch "a" refused: another endpoint is pinned: unpin it first (pinned)`, report.ReasonPinned)
	s.command(EventDrain, "b").wantRefused(`drain "b" refused: it is pinned: unpin it first (pinned)`, report.ReasonPinned)
	s.out("b").wantActive("").after(time.Hour).wantActive("")
	s.up("b").wantActive("b").out("b")
	s.command(EventUnpin, "").wantActive("a")
	assert.Empty(t, s.state.Pinned())
	s.command(EventPin, "b").wantRefused(`pin "b" refused: it is not eligible (not_serving)`, report.ReasonNotServing)
	s.command(EventPin, "a").wantActive("a").up("b").command(EventPin, "b").wantActive("b")
	s.wantSwitches(">a first_choice", "a>b pinned", "b>a not_serving", "a>b pinned")
}

func TestDrainMovesTheActiveAndIsRefusedIfThatLeavesNone(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a", "b")
	s.command(EventDrain, "a").wantActive("b").after(time.Hour).wantActive("b")
	assert.True(t, s.state.Drained(1))
	assert.False(t, s.state.Drained(2))
	assert.False(t, s.state.Drained(3))
	s.command(EventDrain, "a").wantActive("b")
	s.command(EventDrain, "b").wantRefused(`drain "b" refused: no other endpoint could be active (no_standby)`, report.ReasonNoStandby)
	s.command(EventUndrain, "a").wantActive("b").out("a")
	s.command(EventDrain, "b").wantRefused(`drain "b" refused: no other endpoint could be active (no_standby)`, report.ReasonNoStandby)
	s.out("b").command(EventDrain, "b").wantActive("")
	assert.Nil(t, s.effects.Refused, "no member is active, so it leaves as many as before")
	s.command(EventDrain, "a").wantRefused(`drain "a" refused: no other endpoint could be active (no_standby)`, report.ReasonNoStandby)
	s.command(EventUndrain, "x").wantRefused(`undrain "x" refused: no such endpoint in the list`, report.ReasonNone)
	s.wantSwitches(">a first_choice", "a>b drained")
}

func TestWhatHappensWhileDrainedIsNoRelapse(t *testing.T) {
	s := tell(t, Config{FailBack: FailBackAfterHold}, "a", "b").up("a", "b").command(EventDrain, "a")
	for range 5 {
		s.after(time.Second).out("a").after(time.Second).up("a")
	}
	s.after(time.Hour).command(EventUndrain, "a").after(10*time.Second - 1).wantActive("b").after(1).wantActive("a")
}

func TestAChangeOfTheListKeepsWhatIsKnown(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a", "b").command(EventSwitch, "b")
	s.list(Member{ID: 3, Name: "c"}, Member{ID: 2, Name: "b"}).wantActive("b").up("c").wantActive("b")
	s.list(Member{ID: 3, Name: "c"}).wantActive("c")
	s.wantSwitches(">a first_choice", "a>b by_hand", "b>c left_list")
	s.list().wantActive("").list(Member{ID: 4, Name: "c"}).up("c").wantActive("c")
	s.wantSwitches(">a first_choice", "a>b by_hand", "b>c left_list", "c>c left_list")
}

func TestTheNameKeepsThePlaceWhenItsMemberIsReplaced(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a", "b").command(EventSwitch, "b").command(EventDrain, "a").command(EventPin, "b")
	leaving := []Member{{ID: 1, Name: "a", Leaving: true}, {ID: 2, Name: "b", Leaving: true}}
	next := []Member{{ID: 3, Name: "a", Drained: true}, {ID: 4, Name: "b"}}
	s.list(append(next, leaving...)...).wantActive("b")
	m, _ := s.state.Active()
	assert.Equal(t, 2, m.ID)
	s.next(Event{Kind: EventCondition, ID: 3, Condition: Condition{Standing: Fit}})
	s.next(Event{Kind: EventCondition, ID: 4, Condition: Condition{Standing: Fit}}).list(next...)
	m, _ = s.state.Active()
	assert.Equal(t, 4, m.ID)
	assert.Equal(t, "b", s.state.Pinned())
	s.command(EventUnpin, "").command(EventSwitch, "a").wantRefused(`switch "a" refused: it is not eligible (drained)`, report.ReasonDrained)

	s.command(EventUndrain, "a").list(Member{ID: 5, Name: "a"}, Member{ID: 6, Name: "b"}).wantActive("")
	s.command(EventPin, "b").wantRefused(`pin "b" refused: it is not eligible`, report.ReasonNone)
}

func TestACommandIsAboutTheEligibleOneOfTheName(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a", "b").command(EventSwitch, "b")
	s.list(Member{ID: 3, Name: "a"}, Member{ID: 2, Name: "b"}, Member{ID: 1, Name: "a", Leaving: true})
	s.command(EventSwitch, "a").wantActive("a")
	m, _ := s.state.Active()
	assert.Equal(t, 1, m.ID)
}

func TestOfTwoThatCouldFollowTheOneOfTheSameNameDoes(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a", "b").command(EventSwitch, "b")
	s.list(Member{ID: 3, Name: "a"}, Member{ID: 4, Name: "b"}, Member{ID: 2, Name: "b", Leaving: true})
	s.next(Event{Kind: EventCondition, ID: 3, Condition: Condition{Standing: Fit}})
	s.next(Event{Kind: EventCondition, ID: 4, Condition: Condition{Standing: Fit}})
	s.list(Member{ID: 3, Name: "a"}, Member{ID: 4, Name: "b"}).wantActive("b")
}

func TestAPinEndsWhenItsNameLeavesTheList(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a", "b").command(EventPin, "b").list(membersOf("a")...)
	assert.Empty(t, s.state.Pinned())
	s.wantActive("a")

	s = tell(t, Config{}, "a", "b").up("a", "b").command(EventPin, "b")
	s.list(Member{ID: 1, Name: "a"}, Member{ID: 2, Name: "b", Leaving: true}).wantActive("b")
	assert.Empty(t, s.state.Pinned())
}

func TestThoseThatLeaveAreChosenLastAndNotReturnedTo(t *testing.T) {
	s := tell(t, Config{FailBack: FailBackAfterHold}, "a", "b").up("a", "b").command(EventSwitch, "b")
	s.list(Member{ID: 3, Name: "c", Priority: 9}, Member{ID: 2, Name: "b", Priority: 9}, Member{ID: 1, Name: "a", Leaving: true})
	s.after(time.Hour).wantActive("b").up("c").out("b").wantActive("c").out("c").wantActive("a")
}

func TestSeveralThatClaimToServeAreReportedAndChangeNothing(t *testing.T) {
	s := tell(t, Config{}, "a", "b").up("a").out("b").up("b")
	assert.True(t, s.effects.Multiple)
	assert.Equal(t, []string{"a", "b"}, s.state.Multiple())
	s.suspect("a")
	assert.False(t, s.effects.Multiple, "in doubt it claims so still")
	s.out("b")
	assert.True(t, s.effects.Multiple)
	assert.Empty(t, s.state.Multiple())
	s.up("b")
	assert.False(t, s.effects.Multiple, "one in doubt may have gone while the other came")
	s.up("a").wantActive("a").wantSwitches(">a first_choice")
	assert.True(t, s.effects.Multiple)

	s = tell(t, Config{}, "a", "b")
	s.is("a", Condition{Standing: Fit}).is("b", Condition{Standing: Fit})
	assert.Empty(t, s.state.Multiple(), "to be connected is no claim")
}

func TestAChangeOfTheConfigurationTakesEffectAtOnce(t *testing.T) {
	s := tell(t, Config{}, "a", "b").out("a").up("b", "a").after(time.Minute).wantActive("b")
	s.next(Event{Kind: EventConfig, Config: Config{FailBack: FailBackAfterHold, HoldDown: 2 * time.Minute}}).wantActive("b")
	s.after(time.Minute).wantActive("a")
}

// The bound that the documentation states.
func TestSwitchesUnderFlappingAreBounded(t *testing.T) {
	for _, cfg := range []Config{{}, {FailBack: FailBackAfterHold}} {
		for flapping, bound := range map[string]int{"a": 1, "b": 0, "ab": 2, "ac": 1, "abd": 3} {
			t.Run(fmt.Sprintf("%s %s flap", cfg.FailBack, flapping), func(t *testing.T) {
				s := tell(t, cfg, "a", "b", "c", "d").up("a", "b", "c", "d").after(time.Hour)
				for second := range 120 {
					for i, name := range flapping {
						if (second+i)%2 == 0 {
							s.out(string(name))
						} else {
							s.up(string(name))
						}
					}
					s.after(time.Second)
				}
				assert.LessOrEqual(t, len(s.switches)-1, bound, "%v", s.switches)
			})
		}
	}
}

func TestTwoThatTakeTurnsAreFollowed(t *testing.T) {
	s := tell(t, Config{FailBack: FailBackAfterHold}, "a", "b").up("a").out("b")
	for range 10 {
		s.after(time.Second).out("a").up("b").wantActive("b")
		s.after(time.Second).out("b").up("a").wantActive("a")
	}
	assert.Len(t, s.switches, 21)
}
