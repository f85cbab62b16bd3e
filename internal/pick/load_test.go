package pick

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/internal/evidence"
)

const millisecond = float64(time.Millisecond)

func TestAnEstimateIsAMeanOverTime(t *testing.T) {
	at := time.Minute
	e := estimate(0).observe(5*time.Millisecond, at)
	assert.InEpsilon(t, 5*millisecond, e.latency(), 1e-6, "the first answer is all that is known")
	e = e.observe(50*time.Millisecond, at+10*time.Millisecond)
	assert.InEpsilon(t, 5.45*millisecond, e.latency(), 0.01, "a spike")
	assert.Equal(t, e, e.observe(5*time.Millisecond, at+10*time.Millisecond), "no time has passed")
	assert.Equal(t, e, e.observe(5*time.Millisecond, at), "calls that end at the same time are not in order")
	e = e.observe(50*time.Millisecond, at+time.Minute)
	assert.InEpsilon(t, 50*millisecond, e.latency(), 0.01, "the first answer for long is all that is known")

	later := e.observe(5*time.Millisecond, at+time.Minute+answerDecay)
	assert.InEpsilon(t, 5*millisecond+45*millisecond/math.E, later.latency(), 0.01)
	assert.InEpsilon(t, 50*millisecond/math.E, e.at(at+time.Minute+estimateDecay), 0.01, "without calls")
}

// One call in thirty takes five times longer. That must not hide a server that is ten
// times slower than the others.
func TestSpikesDoNotHideASlowServer(t *testing.T) {
	now := time.Minute
	good, slow := estimate(0), estimate(0)
	highest := 0.0
	for i := range 1000 {
		now += 50 * time.Millisecond
		took := 10 * time.Millisecond
		if i%30 == 29 {
			took = 50 * time.Millisecond
		}
		good, slow = good.observe(took, now), slow.observe(100*time.Millisecond, now)
		highest = max(highest, good.latency())
	}
	assert.Less(t, highest, slow.latency()/5)
}

func TestAFastFailureRaisesTheEstimateByLess(t *testing.T) {
	at := time.Minute
	e := estimate(0).fail(time.Microsecond, at)
	assert.InEpsilon(t, float64(firstFailure), e.latency(), 1e-6)
	e = estimate(0).observe(5*time.Millisecond, at).fail(time.Microsecond, at)
	assert.InEpsilon(t, 50*millisecond, e.latency(), 1e-6)
	e = e.fail(time.Microsecond, at).fail(time.Microsecond, at)
	assert.InEpsilon(t, float64(mostFailure), e.latency(), 1e-6, "up to a second")
	e = e.fail(3*time.Second, at)
	assert.InEpsilon(t, float64(3*time.Second), e.latency(), 1e-6, "or what it lasted")
	assert.Equal(t, e, e.fail(time.Microsecond, at), "it is never lowered")
}

func TestALowerBoundNeverLowersTheEstimate(t *testing.T) {
	at := time.Minute
	e := estimate(0).observe(5*time.Millisecond, at)
	assert.Equal(t, e, e.atLeast(time.Millisecond, at))
	assert.InEpsilon(t, 9*millisecond, e.atLeast(9*time.Millisecond, at).latency(), 1e-6)
}

// Whatever the calls and their times, the estimate lies between zero and the worst that
// was seen, and never falls because of a failure or a bound.
func TestAnEstimateStaysWithinWhatWasSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e estimate
		now, worst := time.Duration(0), float64(firstFailure)
		for range rapid.IntRange(1, 50).Draw(t, "calls") {
			now += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "pause"))
			took := time.Duration(rapid.Int64Range(1, int64(10*time.Second)).Draw(t, "took"))
			before := e.at(now)
			worst = max(worst, float64(took))
			switch rapid.SampledFrom([]result{resultAnswer, resultBound, resultFailure}).Draw(t, "result") {
			case resultNone, resultError: // they are not drawn
			case resultAnswer:
				e = e.observe(took, now)
				if e.latency() > max(worst, float64(took))*1.001 {
					t.Fatalf("%v after an answer in %v", e.latency(), took)
				}
			case resultBound:
				e = e.atLeast(took, now)
				if e.at(now) < max(before, float64(took))*0.999 {
					t.Fatalf("%v after a bound of %v and %v", e.at(now), took, before)
				}
			case resultFailure:
				e = e.fail(took, now)
				worst = max(worst, float64(mostFailure))
				if e.at(now) < max(before, float64(took))*0.999 {
					t.Fatalf("%v after a failure after %v, and %v", e.at(now), took, before)
				}
			}
			if e.latency() <= 0 || e.latency() > worst*1.001 {
				t.Fatalf("%v is not above 0 and at most %v", e.latency(), worst)
			}
		}
	})
}

func TestOnlyAnswersOfTheServerLowerItsLatency(t *testing.T) {
	for _, why := range evidence.Reasons() {
		want := resultBound
		switch why {
		case evidence.Succeeded:
			want = resultAnswer
		case evidence.Unavailable, evidence.Reset, evidence.TokenRejected:
			want = resultFailure
		case evidence.ErrorOfTheCall:
			want = resultError
		case evidence.NotSent, evidence.FailedHere, evidence.StreamDeadline:
			want = resultNone
		default:
		}
		assert.Equal(t, want, resultOf(why, codes.NotFound, false), why)
	}
	assert.Equal(t, resultError, resultOf(evidence.NoAnswerInTime, codes.DeadlineExceeded, true), "the server's own deadline")
	for _, c := range []codes.Code{codes.ResourceExhausted, codes.Internal, codes.Unknown, codes.DataLoss} {
		assert.Equal(t, resultFailure, resultOf(evidence.ErrorOfTheCall, c, true), c)
	}
}

func TestTheRampGrowsFromATenth(t *testing.T) {
	var l load
	l.begin(time.Minute)
	for after, want := range map[time.Duration]float64{
		0: 0.1, time.Second / 2: 0.1, 3 * time.Second: 0.3, 9 * time.Second: 0.9, 10 * time.Second: 1, time.Hour: 1,
	} {
		assert.InDelta(t, want, l.ramp(time.Minute+after, 10*time.Second), 1e-9, after)
	}
}

func TestErrorsInARowCountAsFailuresAfterAWhile(t *testing.T) {
	var l load
	for i := range 2 * mostErrors {
		assert.Equal(t, resultBound, l.inARow(resultError, time.Minute), i)
	}
	assert.Equal(t, resultFailure, l.inARow(resultError, time.Minute+errorsFor))
	assert.Equal(t, resultBound, l.inARow(resultBound, 2*time.Minute))
	assert.Equal(t, resultFailure, l.inARow(resultError, 2*time.Minute), "a call that was canceled changes nothing")
	assert.Equal(t, resultAnswer, l.inARow(resultAnswer, 2*time.Minute))
	assert.Equal(t, resultBound, l.inARow(resultError, 2*time.Minute))
	for i := range mostErrors - 1 {
		assert.Equal(t, resultBound, l.inARow(resultError, 3*time.Minute), "only the number is reached: %d", i)
	}
	assert.Equal(t, resultFailure, l.inARow(resultError, 3*time.Minute))
	l.begin(3 * time.Minute)
	assert.Equal(t, resultBound, l.inARow(resultError, 4*time.Minute), "the connection is new")
}
