package quorum

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func keyed(b byte) digest { return digest{b} }

// What a tally advises, step by step: the inputs are an answer's key as a lower case
// letter, upper case if the member was slow, "!" for a failure, "?" for one of a slow
// member, and "~" for a member that has become slow.
func TestATallyAdvisesStepByStep(t *testing.T) {
	const wait, done, never, stall = -1, -2, -3, -4
	for name, c := range map[string]struct {
		agree, first, n int
		inputs          string
		want            []int // how many to ask more, or one of the above
	}{
		"two of four agree at once":              {2, 3, 4, "aa", []int{3, wait, done}},
		"one of many is enough":                  {1, 1, 4, "a", []int{1, done}},
		"one that differs costs one more":        {2, 2, 4, "aba", []int{2, wait, 1, done}},
		"spares are used up first":               {2, 3, 4, "aba", []int{3, wait, wait, done}},
		"a failure is replaced":                  {2, 2, 4, "!aa", []int{2, 1, wait, done}},
		"failures never agree":                   {2, 2, 4, "!!!", []int{2, 1, 1, never}},
		"a slow one is replaced":                 {2, 2, 4, "a~a", []int{2, wait, 1, done}},
		"a slow one may still decide":            {2, 2, 4, "a~A", []int{2, wait, 1, done}},
		"a slow one that fails is not replaced":  {2, 2, 4, "a~?a", []int{2, wait, 1, wait, done}},
		"all are slow and all are asked":         {2, 2, 4, "~~~~AA", []int{2, 1, 1, stall, stall, stall, done}},
		"all differ":                             {2, 3, 4, "abcd", []int{3, wait, wait, 1, never}},
		"no agreement known before all answered": {3, 4, 4, "aabb", []int{4, wait, wait, wait, never}},
		"impossible as soon as it is":            {3, 4, 4, "!!", []int{4, wait, never}},
		"all but a slow one differ":              {2, 3, 4, "a~bc", []int{3, wait, wait, 1, stall}},
		"fewer are left than are lacking":        {3, 3, 4, "a~~", []int{3, wait, 1, stall}},
		"more first than there are":              {2, 9, 4, "bb", []int{4, wait, done}},
		"the third answer wins":                  {2, 5, 7, "abcc", []int{5, wait, wait, wait, done}},
	} {
		t.Run(name, func(t *testing.T) {
			tally := tally{agree: c.agree, first: c.first, n: c.n}
			say := func(a advice) int {
				switch {
				case a.outlook == decided:
					return done
				case a.outlook == impossible:
					return never
				case a.outlook == stalled:
					return stall
				case a.ask == 0:
					return wait
				}
				return a.ask
			}
			got := []int{say(tally.start())}
			var last advice
			for _, in := range []byte(c.inputs) {
				switch {
				case in == '!' || in == '?':
					last = tally.fail(in == '?')
				case in == '~':
					last = tally.late()
				case in >= 'a':
					last = tally.answer(keyed(in), false)
				default:
					last = tally.answer(keyed(in-'A'+'a'), true)
				}
				got = append(got, say(last))
			}
			assert.Equal(t, c.want, got, c.inputs)
			if last.outlook == decided {
				winner := c.inputs[len(c.inputs)-1] | 0x20
				assert.Equal(t, keyed(winner), last.winner)
			}
		})
	}
}

// Whatever comes in: what decides has enough equal answers, a read goes on as long as
// it can succeed, and nobody is asked twice.
func TestATallyIsRightWhateverComesIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 13).Draw(t, "n")
		agree := rapid.IntRange(1, n).Draw(t, "agree")
		tally := tally{agree: agree, first: rapid.IntRange(agree, n).Draw(t, "first"), n: n}
		asked, slow := tally.start().ask, 0
		open := asked
		counts := map[byte]int{}
		gone := 0
		for open > 0 {
			var a advice
			late := slow > 0 && (slow == open || rapid.Bool().Draw(t, "of a slow one"))
			switch what := rapid.IntRange(0, 2).Draw(t, "what"); {
			case what == 2 && slow < open:
				slow++
				a = tally.late()
			default:
				open--
				if late {
					slow--
				}
				if what == 0 {
					gone++
					a = tally.fail(late)
				} else {
					key := rapid.ByteRange('a', 'c').Draw(t, "key")
					counts[key]++
					a = tally.answer(keyed(key), late)
				}
			}
			best, answers := 0, 0
			for _, c := range counts {
				best, answers = max(best, c), answers+c
			}
			switch a.outlook {
			case decided:
				if counts[a.winner[0]] < agree {
					t.Fatalf("decided with %d of %d", counts[a.winner[0]], agree)
				}
				return
			case impossible:
				if best+n-answers-gone >= agree {
					t.Fatalf("given up although %d and %d more could agree", best, n-answers-gone)
				}
				return
			default:
				if a.outlook == stalled && (asked < n || best+open-slow >= agree) {
					t.Fatalf("stalled with %d and %d outstanding", best, open-slow)
				}
				if best >= agree || best+n-answers-gone < agree {
					t.Fatalf("undecided with %d of %d", best, agree)
				}
			}
			asked, open = asked+a.ask, open+a.ask
			if asked > n {
				t.Fatalf("asked %d of %d", asked, n)
			}
			if open == 0 {
				t.Fatalf("undecided with no member outstanding")
			}
			if fresh := open - slow; asked < n && best+fresh < agree {
				t.Fatalf("%d and %d outstanding cannot agree, and no more are asked", best, fresh)
			}
		}
	})
}
