package quorum

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// said makes a claim of a text such as "3a": position 3 with the key a; "$" is the end.
func said(s string) claim[string, int] {
	if s == "$" {
		return claim[string, int]{end: true}
	}
	return claim[string, int]{at: int(s[0] - '0'), key: keyed(s[1]), value: s}
}

// Scripts of what members claim, one word a step: "x:1a" is member x, "+x" and "-x" that
// it joins and leaves, "!" that what is agreed on is delivered. A step's outcome is
// written after "=": what is agreed on, or why the claim contradicts.
func TestASequenceStepByStep(t *testing.T) {
	for name, script := range map[string]string{
		"two agree":                           "+x +y x:1a= y:1a=1a ! x:2b= y:2b=2b !",
		"one runs ahead":                      "+x +y x:1a= x:2b= x:3c= y:1a=1a ! y:2b=2b ! y:3c=3c !",
		"a third that agrees later":           "+x +y +z x:1a= y:1a=1a ! z:1a= x:2b= z:2b=2b !",
		"a third that differs later: fork":    "+x +y +z x:1a= y:1a=1a ! z:1b=fork",
		"a third that differs later: skipped": "+x +y +z x:1a= y:1a=1a ! z:2b=skipped",
		"inserted":                            "+x +y +z x:2a= y:2a=2a ! z:1a=inserted",
		"the end is claimed too early":        "+x +y +z x:1a= y:1a=1a ! z:$=skipped",
		"the end is missed":                   "+x +y +z x:$= y:$=$ ! z:1a=inserted",
		"the end":                             "+x +y x:1a= y:1a=1a ! x:$= y:$=$",
		"positions must grow":                 "+x x:2a= x:2b=out_of_order",
		"positions must not fall":             "+x x:2a= x:1b=out_of_order",
		"joins at what was delivered last":    "+x +y x:1a= y:1a=1a ! +z z:1a= z:2b= x:2b=2b !",
		"joins and has another past":          "+x +y x:1a= y:1a=1a ! +z z:1c=fork",
		"leaves, and another takes its place": "+x +y x:1a= -x +z z:1a= y:1a=1a !",
		"comes back where it was":             "+x +y x:1a= y:1a=1a ! -x +x x:1a= x:2b= y:2b=2b !",
		"disagreement is no agreement":        "+x +y +z x:1a= y:1b= z:2a=",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSequence[string, int](2, 8)
			now := time.Now()
			for word := range strings.FieldsSeq(script) {
				step, want, _ := strings.Cut(word, "=")
				var got string
				switch step[0] {
				case '+':
					s.join(step[1:])
					continue
				case '-':
					delete(s.voices, step[1:])
					continue
				case '!':
					st := s.count()
					require.True(t, s.agreed(st), word)
					s.deliver(*st.leading, now)
					continue
				default:
					got = string(s.claim(step[:1], said(step[2:]), now))
				}
				if st := s.count(); got == "" && s.agreed(st) {
					if got = st.leading.value; st.leading.end {
						got = "$"
					}
				}
				assert.Equal(t, want, got, word)
			}
		})
	}
}

func TestASequenceSaysWhoStandsWhere(t *testing.T) {
	s := newSequence[string, int](3, 8)
	now := time.Now()
	for _, m := range []string{"a", "b", "c", "d", "e"} {
		assert.Nil(t, s.join(m))
	}
	st := s.count()
	assert.Equal(t, 5, st.undecided)
	assert.False(t, s.unreachable(st, 0))
	assert.Equal(t, 4, s.wanted(st, 1, false), "nothing is claimed: idle, not stalled")
	for m, c := range map[string]string{"a": "1a", "b": "1b", "c": "1b", "d": "2a"} {
		require.Empty(t, s.claim(m, said(c), now))
	}
	st = s.count()
	assert.Equal(t, 2, st.count)
	assert.ElementsMatch(t, []string{"a", "d"}, st.against)
	assert.Equal(t, 1, st.undecided)
	assert.False(t, s.unreachable(st, 0))
	assert.Equal(t, 3+1+2, s.wanted(st, 1, true))
	assert.Equal(t, 3+1+2+1, s.wanted(st, 1, false))
	require.Empty(t, s.claim("e", said("3z"), now))
	st = s.count()
	assert.True(t, s.unreachable(st, 0))
	assert.False(t, s.unreachable(st, 1))
}

func TestAMemberLagsIfItIsBehindByTimeAndByCount(t *testing.T) {
	s := newSequence[string, int](1, 2)
	now := time.Now()
	s.join("x")
	s.join("slow")
	for i := range 6 {
		require.Empty(t, s.claim("x", claim[string, int]{at: i}, now))
		s.deliver(*s.count().leading, now.Add(time.Duration(i)*time.Second))
	}
	at := now.Add(10 * time.Second)
	assert.False(t, s.lagging("x", at, time.Second, 1))
	assert.True(t, s.lagging("slow", at, time.Second, 5))
	assert.False(t, s.lagging("slow", at, time.Second, 6), "not by count")
	assert.False(t, s.lagging("slow", at, 10*time.Second, 1), "not by time")
	assert.Equal(t, ReasonLagging, s.claim("slow", claim[string, int]{at: 0}, at), "too far behind to be checked")

	s = newSequence[string, int](1, 8)
	s.resume(claim[string, int]{at: 7})
	at7 := s.join("x")
	require.NotNil(t, at7)
	assert.Equal(t, 7, *at7)
	s.join("y")
	require.Empty(t, s.claim("x", claim[string, int]{at: 7}, now))
	require.Empty(t, s.claim("x", claim[string, int]{at: 8}, now))
	require.Empty(t, s.claim("x", claim[string, int]{at: 9}, now))
	s.deliver(*s.count().leading, now)
	assert.True(t, s.lagging("y", at, time.Second, 1))
	require.Empty(t, s.claim("y", claim[string, int]{at: 7}, now))
	require.Empty(t, s.claim("y", claim[string, int]{at: 8}, now))
	assert.False(t, s.lagging("y", at, time.Second, 0), "it has caught up")
}

// A position that is no number comes before all others, as in the order of package cmp.
func TestAPositionThatIsNoNumberIsAPosition(t *testing.T) {
	none, one := claim[string, float64]{at: math.NaN()}, claim[string, float64]{at: 1}
	s := newSequence[string, float64](2, 8)
	for _, name := range []string{"x", "y", "z"} {
		s.join(name)
	}
	require.Empty(t, s.claim("x", none, time.Now()))
	assert.Equal(t, 1, s.count().count)
	require.Empty(t, s.claim("y", one, time.Now()))
	require.Empty(t, s.claim("z", one, time.Now()))
	st := s.count()
	assert.True(t, s.agreed(st))
	assert.Equal(t, []string{"x"}, st.against)
	assert.Equal(t, ReasonInserted, none.against(&one))
	assert.Equal(t, ReasonDisorder, s.claim("y", none, time.Now()))
}
