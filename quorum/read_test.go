package quorum

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"
)

// script is an ask function by the members' names; one that is missing is honest.
func script(truth string, manners map[string]manner) func(context.Context, Member) (string, error) {
	return func(ctx context.Context, m Member) (string, error) {
		b, ok := manners[m.Name]
		if !ok {
			b = honest
		}
		return b.reply(ctx, m, truth)
	}
}

func called(name string) manner {
	for _, a := range adversaries {
		if a.name == name {
			return a
		}
	}
	panic(name)
}

func TestAReadReturnsWhatEnoughMembersSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		got, v, err := Read(t.Context(), m, Config{}, script("truth", nil), identity)
		require.NoError(t, err)
		assert.Equal(t, "truth", got)
		assert.Equal(t, 2, v.Agree)
		assert.Equal(t, 4, v.Of)
		assert.Len(t, v.Names(OutcomeAgreed), 2)
		assert.Equal(t, 3, v.Asked, "nothing is known of the members yet: 2f + 1")
		assert.Equal(t, FreshnessStalePossible, v.Freshness)
		for range 10 {
			_, _, err = Read(t.Context(), m, Config{}, script("truth", nil), identity)
			require.NoError(t, err)
		}
		_, v, err = Read(t.Context(), m, Config{}, script("truth", nil), identity)
		require.NoError(t, err)
		assert.Equal(t, 2, v.Asked, "all are known to be well: f + 1")
	})
}

// With up to f members that are faulty in any way, no answer is wrong, and every
// question has one long before its deadline.
func TestUpToFFaultyMembersChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check(t, func(r *rapid.T) {
			n := rapid.IntRange(4, 13).Draw(r, "n")
			m := newMembers(t, n)
			manners := map[string]manner{}
			faulty := rapid.IntRange(0, Faulty(n)).Draw(r, "faulty")
			for _, i := range rapid.Permutation(indices(n)).Draw(r, "which")[:faulty] {
				manners[m.List()[i].Name] = rapid.SampledFrom(adversaries).Draw(r, "manner")
			}
			cfg := Config{Ask: rapid.SampledFrom([]int{0, Faulty(n) + 1, n}).Draw(r, "ask")}
			for range rapid.IntRange(1, 20).Draw(r, "reads") {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				got, v, err := Read(ctx, m, cfg, script("truth", manners), identity)
				cancel()
				if err != nil || got != "truth" {
					r.Fatalf("%q, %v with %v", got, err, v)
				}
				if v.Asked > n || len(v.Names(OutcomeAgreed)) < Faulty(n)+1 {
					r.Fatalf("%v", v)
				}
				synctest.Wait()
			}
			for _, e := range m.Events() {
				if e.Kind == EventDissent && !manners[e.Member].wrong && e.Reason == ReasonDiffers {
					r.Fatalf("an honest member is said to differ: %v", e)
				}
			}
		})
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// What the threshold does not promise: f + 1 members that lie together decide.
func TestMoreThanFCollusiveLiarsCanMakeALieTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		lies := called("lies as the others do")
		got, v, err := Read(t.Context(), m, Config{Ask: 4}, script("truth", map[string]manner{"org1": lies, "org2": lies}), identity)
		require.NoError(t, err)
		assert.Equal(t, "a common lie", got, "liars are quicker, and f + 1 of them are one too many")
		assert.Equal(t, []string{"org1", "org2"}, outcomes(v, OutcomeAgreed))

		// A higher threshold holds out against them, for less availability.
		got, _, err = Read(t.Context(), m, Config{Agree: 3, Timeout: time.Second},
			script("truth", map[string]manner{"org1": lies, "org2": lies}), identity)
		require.Error(t, err)
		assert.Empty(t, got)
	})
}

func TestErrorsNeverAgreeUnlessTheyAreAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		missing := func(context.Context, Member) (string, error) {
			return "", status.Error(codes.NotFound, "no such thing")
		}
		_, _, err := Read(t.Context(), m, Config{}, missing, identity)
		var none *NoQuorumError
		require.ErrorAs(t, err, &none)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.Len(t, none.Verdict.Names(OutcomeFailed), 3, "with the third failure one member is left, which cannot agree alone")
		assert.Contains(t, err.Error(), "no such thing")

		cfg := Config{ErrorKey: func(err error) (string, bool) { return "not found", status.Code(err) == codes.NotFound }}
		got, v, err := Read(t.Context(), m, cfg, missing, identity)
		assert.Equal(t, codes.NotFound, status.Code(err))
		assert.Empty(t, got)
		assert.Len(t, v.Names(OutcomeAgreed), 2)

		// An error's key never equals that of an answer.
		half := func(ctx context.Context, m Member) (string, error) {
			if m.Name <= "org2" {
				return "not found", nil
			}
			return missing(ctx, m)
		}
		cfg.Agree = 3
		_, _, err = Read(t.Context(), m, cfg, half, identity)
		require.ErrorAs(t, err, &none)
	})
}

func TestTheErrorNamesAgreedDissentingAndFailedMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		_, _, err := Read(t.Context(), m, Config{Agree: 3, Timeout: time.Second}, script("truth", map[string]manner{
			"org2": called("lies alone"), "org3": called("hangs")}), identity)
		var none *NoQuorumError
		require.ErrorAs(t, err, &none)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		assert.Equal(t, []string{"org1", "org4"}, outcomes(none.Verdict, OutcomeAgreed))
		assert.Equal(t, []string{"org2"}, outcomes(none.Verdict, OutcomeDissenting))
		assert.Equal(t, []string{"org3"}, outcomes(none.Verdict, OutcomePending))
		for _, want := range []string{"2 of 4 members agree, want 3", `"org2" dissenting (differs)`, `"org3" pending (no_answer)`} {
			assert.Contains(t, err.Error(), want)
		}
	})
}

func TestAnErrorOfManyMembersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 13)
		_, _, err := Read(t.Context(), m, Config{}, func(context.Context, Member) (string, error) {
			return "", errors.New(strings.Repeat("x\n", 1<<20))
		}, identity)
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 4000)
		assert.NotContains(t, err.Error(), "\n")
		var none *NoQuorumError
		require.ErrorAs(t, err, &none)
		rest := len(none.Verdict.Answers) - len(none.Verdict.Names(OutcomeNotAsked)) - 8
		assert.Contains(t, err.Error(), fmt.Sprintf("; and %d more", rest), "those who were asked")
	})
}

// What is invalid, or was called off, is no answer, even if the caller takes every error for one.
func TestAnErrorThatNoMemberHasSaidIsNoAnswer(t *testing.T) {
	cfg := Config{Agree: 1, ErrorKey: func(error) (string, bool) { return "an error", true }}
	m := newMembers(t, 4)
	var none *NoQuorumError
	_, v, err := Read(t.Context(), m, cfg, func(context.Context, Member) (string, error) { return "", Invalid(errBroken) }, identity)
	require.ErrorAs(t, err, &none)
	assert.Len(t, v.Names(OutcomeDissenting), 4)

	replies := make(chan reply[string], 1)
	q := &question[string]{cfg: cfg, key: identity, ask: func(ctx context.Context, _ Member) (string, error) { return "", ctx.Err() }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q.askOne(ctx, 0, Member{}, time.Now(), replies)
	assert.False(t, (<-replies).ok)
}

func TestAHungMemberIsHedgedAtOnceAndAskedLastAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		ask := script("truth", map[string]manner{"org1": called("hangs"), "org2": called("hangs")})
		began := time.Now()
		_, _, err := Read(t.Context(), m, Config{Agree: 2, Ask: 2}, ask, identity)
		require.NoError(t, err)
		assert.Less(t, time.Since(began), 2*unknownHedge+50*time.Millisecond, "two rounds of hedging at most")
		for range 5 {
			_, v, err := Read(t.Context(), m, Config{Agree: 2, Ask: 2}, ask, identity)
			require.NoError(t, err)
			assert.Equal(t, []string{"org3", "org4"}, outcomes(v, OutcomeAgreed))
		}
		for _, s := range m.Status().Members[:2] {
			assert.Zero(t, s.Counts.Agreed)
		}
	})
}

func TestAMemberThatDiffersIsToldOfOnceAndAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		ask := script("truth", map[string]manner{"org3": called("lies alone")})
		for range 10 {
			_, _, err := Read(t.Context(), m, Config{Ask: 4, Agree: 3}, ask, identity)
			require.NoError(t, err)
		}
		events := m.Events()
		require.Len(t, events, 1)
		assert.Equal(t, `dissent: member "org3" (differs): 3 of 4 members agree on another answer`, events[0].String())
		s := m.Status().Members[2]
		assert.True(t, s.Dissenting)
		assert.Equal(t, ReasonDiffers, s.Reason)
		assert.False(t, s.Excluded, "reads may still ask it, last")

		_, v, err := Read(t.Context(), m, Config{Ask: 3, Agree: 3}, ask, identity)
		require.NoError(t, err)
		assert.Equal(t, []string{"org3"}, v.Names(OutcomeNotAsked))

		require.NoError(t, m.ClearDissent("org3"))
		assert.False(t, m.Status().Members[2].Dissenting)
		require.Error(t, m.ClearDissent("org9"))

		_, _, err = Read(t.Context(), m, Config{Ask: 4, Agree: 3}, ask, identity)
		require.NoError(t, err)
		time.Sleep(defaultDissentFor + 1)
		assert.False(t, m.Status().Members[2].Dissenting, "forgotten after a time")
	})
}

func TestALossOfAgreementIsToldOfOnceAndSoIsItsReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		opts := quiet()
		opts.OnRead = func(Verdict, error) { reads.Add(1) }
		m, err := NewMembers(names(4), opts)
		require.NoError(t, err)
		var broken atomic.Bool
		ask := func(ctx context.Context, x Member) (string, error) {
			if broken.Load() {
				return "", errBroken
			}
			return honest.reply(ctx, x, "truth")
		}
		for _, b := range []bool{false, true, true, false, false} {
			broken.Store(b)
			_, _, err := Read(t.Context(), m, Config{}, ask, identity)
			assert.Equal(t, b, err != nil)
			assert.Equal(t, b, m.Status().Lost)
		}
		var kinds []EventKind
		for _, e := range m.Events() {
			kinds = append(kinds, e.Kind)
		}
		assert.Equal(t, []EventKind{EventAgreementLost, EventAgreementRegained}, kinds)
		assert.EqualValues(t, 5, reads.Load())
		totals := m.Status().Totals
		assert.EqualValues(t, 3, totals.Agreed)
		assert.EqualValues(t, 2, totals.NoQuorum)
	})
}

func TestAReadThatTheCallerCancelsIsNoLossOfAgreement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := Read(ctx, m, Config{}, script("truth", nil), identity)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, codes.Canceled, status.Code(err))
		assert.Empty(t, m.Events())
		for _, s := range m.Status().Members {
			assert.False(t, s.Failing, s.Name)
		}
	})
}

// Values that move: the members differ until they have come to rest.
func TestValuesThatMoveAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		began := time.Now()
		ask := func(ctx context.Context, x Member) (string, error) {
			if x.Name == "org4" {
				<-ctx.Done() // one hangs, which must not keep the others from being asked again
				return "", ctx.Err()
			}
			if time.Since(began) < 2*time.Second {
				return x.Name, nil
			}
			return "at rest", nil
		}
		got, v, err := Read(t.Context(), m, Config{AskAgain: true}, ask, identity)
		require.NoError(t, err)
		assert.Equal(t, "at rest", got)
		assert.Greater(t, v.Rounds, 2)
		assert.Less(t, time.Since(began), 5*time.Second)
		assert.Equal(t, FreshnessStalePossible, v.Freshness)
		assert.Empty(t, m.Events(), "who differs for a while does not dissent")

		_, v, err = Read(t.Context(), m, Config{AskAgain: true, Timeout: 3 * time.Second}, script("", map[string]manner{
			"org1": called("lies alone"), "org2": called("lies alone"), "org3": called("lies alone"), "org4": called("lies alone")}), identity)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Greater(t, v.Rounds, 3)
	})
}

func TestABadConfigIsRefusedWithWhatWouldBeRight(t *testing.T) {
	ask := script("truth", nil)
	for want, c := range map[string]struct {
		n   int
		cfg Config
	}{
		"agree 0 with 3 members: no default below 4": {3, Config{}},
		"agree 5: want 1 to 4":                       {4, Config{Agree: 5}},
		"agree -1: want 1 to 4":                      {4, Config{Agree: -1}},
		"ask 1: want 0 or 2 to 4":                    {4, Config{Ask: 1}},
		"ask 5: want 0 or 2 to 4":                    {4, Config{Ask: 5}},
		"ask -1: want 0 or":                          {4, Config{Ask: -1}},
		"hedge after -1s: want a duration":           {4, Config{HedgeAfter: -time.Second}},
		"timeout -1s: want a duration":               {4, Config{Timeout: -time.Second}},
	} {
		_, _, err := Read(t.Context(), newMembers(t, c.n), c.cfg, ask, identity)
		assert.ErrorContains(t, err, want)
	}
	_, _, err := Read[string](t.Context(), nil, Config{}, ask, identity)
	assert.ErrorContains(t, err, "nil")
	_, _, err = Read(t.Context(), newMembers(t, 4), Config{}, ask, nil)
	assert.ErrorContains(t, err, "nil")
}

func TestTheFastestAnswerWinsIfOneIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 2)
		began := time.Now()
		got, _, err := Read(t.Context(), m, Config{Agree: 1, Ask: 2}, script("truth", map[string]manner{"org1": called("hangs")}), identity)
		require.NoError(t, err)
		assert.Equal(t, "truth", got)
		assert.Less(t, time.Since(began), 25*time.Millisecond)
	})
}

func TestFaultyIsAThirdOfTheOthers(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 0, 3: 0, 4: 1, 6: 1, 7: 2, 9: 2, 10: 3, 13: 4} {
		assert.Equal(t, want, Faulty(n), n)
	}
}

func TestManyReadsAtTheSameTimeShareWhatIsKnown(t *testing.T) {
	m := newMembers(t, 7)
	ask := func(_ context.Context, x Member) (string, error) {
		if x.Name == "org3" {
			return "lie", nil
		}
		return "truth", nil
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				got, _, err := Read(t.Context(), m, Config{}, ask, identity)
				assert.NoError(t, err)
				assert.Equal(t, "truth", got)
				switch (i + j) % 10 {
				case 0:
					assert.NoError(t, m.Update(append(names(6), Member{Name: fmt.Sprint("org", 7+j)})))
				case 1:
					assert.NoError(t, m.ClearDissent("org3"))
				case 2:
					assert.Len(t, m.Status().Members, 7)
				case 3:
					m.Events()
				}
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 800, m.Status().Totals.Agreed)
}
