package faults

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

var epoch = time.Unix(1_700_000_000, 0)

// at is so many seconds after the epoch.
func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

// aCall is due at so many seconds after the epoch, and takes so many.
func aCall(due, took float64, server string, code uint32) call {
	return call{Due: at(due).UnixMicro(), Took: int64(took * 1e6), Server: server, Code: code}
}

// someMarks: measured from 1 s on, the fault at 2 s, s1 healed at 5 s, the end at 8 s.
func someMarks() marks {
	return marks{begin: at(1), fault: at(2), heals: []heal{{"s1", at(5)}}, end: at(8)}
}

func TestCallsCountFromTheFaultToTheEnd(t *testing.T) {
	got := judgeCalls(someMarks(), []call{
		aCall(0.5, 0.01, "", 14),   // before the measurement
		aCall(1.2, 0.01, "", 14),   // before the fault
		aCall(1.3, 0.01, "s1", 0),  // the same
		aCall(1.9, 2, "", 4),       // under way at the fault
		aCall(2, 0.02, "s2", 0),    // from here on they count
		aCall(3.75, 2, "", 4),      // the last that fails
		aCall(4.9, 0.3, "s1", 0),   // due before s1 was healed
		aCall(5.4, 0.02, "s1", 0),  // the first that s1 answers
		aCall(6, 0.02, "s1", 0),    //
		aCall(8.001, 0.02, "", 14), // after the end
	})
	assert.Equal(t, 6, got.calls)
	assert.Equal(t, 2, got.failed)
	assert.Equal(t, 1, got.before)
	assert.InDelta(t, 1.75, got.lastFailed, 1e-9)
	assert.InDelta(t, 0.4, got.back, 1e-9)
	assert.InDelta(t, 0.02, got.p50, 1e-9)
	assert.InDelta(t, 2, got.p99, 1e-9)
	assert.InDelta(t, 2, got.p999, 1e-9)
	want := make([]int, 29) // of 0.25 s, from 1 s to 8 s and the last
	want[0], want[3], want[11] = 1, 1, 1
	assert.Equal(t, want, got.failures)
}

func TestAServerIsBackWithTheFirstCallDueSinceItWasHealed(t *testing.T) {
	calls := []call{aCall(4.9, 3, "s1", 0), aCall(5.1, 0, "s2", 0), aCall(6.5, 0, "s1", 0), aCall(5.5, 0, "s1", 0)}
	assert.InDelta(t, 0.5, backAfter([]heal{{"s1", at(5)}}, calls), 1e-9)
	assert.InDelta(t, 0.5, backAfter([]heal{{"s1", at(5)}, {"s2", at(5)}}, calls), 1e-9, "the longest counts")
	assert.True(t, math.IsInf(backAfter([]heal{{"s1", at(5)}, {"s3", at(5)}}, calls), 1), "s3 never came back")
	assert.True(t, math.IsNaN(backAfter(nil, calls)), "none was healed")
}

func TestTheFailuresInTimeAddUpToThoseCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) call {
			return aCall(rapid.Float64Range(0, 10).Draw(t, "due"), rapid.Float64Range(0, 3).Draw(t, "took"),
				rapid.SampledFrom([]string{"s1", "s2", ""}).Draw(t, "server"), rapid.Uint32Range(0, 16).Draw(t, "code"))
		})
		m, calls := someMarks(), rapid.SliceOf(one).Draw(t, "calls")
		got := judgeCalls(m, calls)
		sum := 0
		for _, n := range got.failures {
			sum += n
		}
		assert.Equal(t, got.before+got.failed, sum)
		assert.LessOrEqual(t, got.failed, got.calls)
		assert.LessOrEqual(t, got.p50, got.p99)
		assert.LessOrEqual(t, got.p99, got.p999)
		assert.LessOrEqual(t, got.lastFailed, m.end.Sub(m.fault).Seconds())
		slices.Reverse(calls)
		again := judgeCalls(m, calls)
		assert.Equal(t, got.failures, again.failures)
		assert.InDelta(t, got.lastFailed, again.lastFailed, 0)
		assert.Equal(t, math.IsInf(got.back, 1), math.IsInf(again.back, 1))
	})
}

func TestTheLastHealCounts(t *testing.T) {
	m := someMarks()
	assert.Equal(t, at(5), m.last())
	m.heals = append(m.heals, heal{"s2", at(7)}, heal{"s3", at(6)})
	assert.Equal(t, at(7), m.last())
	m.heals = nil
	assert.Equal(t, at(8), m.last())
}

func TestATallySumsWhatCameWithinATime(t *testing.T) {
	r1, r2 := &replica{}, &replica{}
	for i := range 10 {
		r1.tally.add(message{At: at(float64(i)), Arrived: map[string]arrivals{"ours": {Calls: 1, Probes: 2}}})
		r2.tally.add(message{At: at(float64(i)), Arrived: map[string]arrivals{"ours": {Calls: 3}, "rr": {Calls: 100}}})
	}
	assert.Equal(t, arrivals{Calls: 3, Probes: 6}, r1.tally.sum("ours", at(2), at(5)), "after 2 s, until 5 s")
	assert.Equal(t, arrivals{}, r1.tally.sum("rr", at(0), at(9)))

	st := &stage{replicas: []*replica{r1, r2}, victim: r1, marks: marks{fault: at(1), heals: []heal{{"s1", at(8)}}, end: at(9)}}
	assert.InDelta(t, 0.25, st.share("ours"), 1e-9)
	assert.Zero(t, st.share("rr"))
	assert.True(t, math.IsNaN(st.share("nginx")), "of no calls")
	st.marks.heals = nil
	assert.True(t, math.IsNaN(st.share("ours")), "none was healed")
}

func TestTheMachinesTimeIsReadFromItsFirstLine(t *testing.T) {
	all, idle := parseMachineTime("cpu  100 5 50 800 20 1 2 3 40 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	assert.InDelta(t, 981, all, 0, "time as a guest counts as user already")
	assert.InDelta(t, 820, idle, 0)
	for _, text := range []string{"", "cpu", "cpu 1 2 3", "intr 1 2 3 4 5 6", "cpu 1 2 x 4 5 6 7"} {
		all, idle = parseMachineTime(text)
		assert.Zero(t, all, text)
		assert.Zero(t, idle, text)
	}
	assert.True(t, math.IsNaN(meter{all: math.Inf(1)}.share()), "no time has passed")
}
