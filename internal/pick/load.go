package pick

import (
	"math"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb/internal/evidence"
)

// The settings of estimates.
const (
	// answerDecay is the time after which a latency counts for 1/e while others are
	// measured, and estimateDecay while none are.
	answerDecay   = time.Second
	estimateDecay = 10 * time.Second
	// A failure counts as failureFactor times the estimate, but not above
	// mostFailure, and as firstFailure if nothing is known. It never counts for less
	// than it lasted.
	failureFactor = 10
	firstFailure  = 100 * time.Millisecond
	mostFailure   = time.Second
	// mostErrors and errorsFor are how many calls in a row, in how long at least, may be
	// answered with an error about the request. After that each one counts as a failure: the
	// server answers nothing else, and would attract calls by doing that fast.
	mostErrors = 20
	errorsFor  = time.Second
	// errorWeight is the weight of the newest call in the share of calls that are answered
	// with such an error.
	errorWeight = 1.0 / 32
	// longestUnknown is the longest duration that counts as the latency of a call of
	// which nothing tells whether it is a stream.
	longestUnknown = 10 * time.Second
)

// tickShift converts nanoseconds to the unit of an estimate's time, 16 µs, of which 32
// bits hold 19 hours.
const tickShift = 14

// estimate is the estimated latency of a connection: a mean of what was measured, in
// which a latency has the more weight the more time it stands for. It is no peak-EWMA,
// as in Finagle, which takes a latency above the estimate at once and forgets it in ten
// seconds: where one call in thirty takes several times longer than others, each server
// is then taken for slow most of the time, and one that is slow gets a quarter of its share
// of the calls instead of a fiftieth. A server that becomes slow shows at once all the
// same, by its calls in flight. The upper half of the
// word is the latency in nanoseconds, as the bits of a float32, and the lower half is
// the time of the last change, in ticks. 0 means that nothing is known.
type estimate uint64

func newEstimate(latency float64, now time.Duration) estimate {
	return estimate(math.Float32bits(float32(max(latency, 1))))<<32 | estimate(uint32(now>>tickShift))
}

// latency returns the estimate in nanoseconds, 0 if nothing is known.
func (e estimate) latency() float64 { return float64(math.Float32frombits(uint32(e >> 32))) }

// age returns the time since the last change. Calls on several processors are not
// exactly in order, so an age that seems to be slightly negative is 0.
func (e estimate) age(now time.Duration) time.Duration {
	const disorder = uint32(time.Minute >> tickShift)
	ticks := uint32(now>>tickShift) - uint32(e)
	if ticks > math.MaxUint32-disorder {
		return 0
	}
	return time.Duration(ticks) << tickShift
}

// observe returns the estimate after a call that was answered after latency.
func (e estimate) observe(latency, now time.Duration) estimate {
	was, is := e.latency(), float64(latency)
	if e == 0 {
		return newEstimate(is, now)
	}
	age := e.age(now)
	if age == 0 {
		return e // the next one has more weight
	}
	keep := decay(age, answerDecay)
	return newEstimate(was*keep+is*(1-keep), now)
}

// atLeast returns the estimate after a call of which only a lower bound of its latency
// is known. It never lowers the estimate.
func (e estimate) atLeast(latency, now time.Duration) estimate {
	if e.at(now) >= float64(latency) {
		return e
	}
	return newEstimate(float64(latency), now)
}

// fail returns the estimate after a call that failed after a time: a fast failure must
// not attract calls.
func (e estimate) fail(after, now time.Duration) estimate {
	was := e.at(now)
	penalty := float64(firstFailure)
	if e != 0 {
		penalty = min(was*failureFactor, float64(mostFailure))
	}
	return newEstimate(max(penalty, was, float64(after)), now)
}

// at returns the estimate in nanoseconds if nothing has been heard since its last
// change: it decays, so that a connection that was slow is picked again.
func (e estimate) at(now time.Duration) float64 {
	return e.latency() * decay(e.age(now), estimateDecay)
}

// decay returns the weight of what is this old, if it is 1/e after some time.
func decay(age, after time.Duration) float64 {
	x := float64(age) / float64(after)
	if x < 1.0/64 {
		return 1 - x + x*x/2 // the usual case, and cheaper
	}
	return math.Exp(-x)
}

// result is what the end of a call says about the latency of its server.
type result uint8

const (
	// resultNone says nothing.
	resultNone result = iota
	// resultAnswer is a usual answer.
	resultAnswer
	// resultBound is an end that only shows that an answer takes at least this long:
	// the caller's cancellation or deadline.
	resultBound
	// resultError is an error that may be quick because of the request.
	resultError
	// resultFailure counts as slow.
	resultFailure
)

// resultOf returns what the end of a call with this evidence and this code says. early
// says that the server has ended the call, before its deadline.
func resultOf(why evidence.Reason, code codes.Code, early bool) result {
	switch why {
	case evidence.Succeeded:
		return resultAnswer
	case evidence.Unavailable, evidence.Reset, evidence.TokenRejected:
		return resultFailure
	case evidence.NotSent, evidence.FailedHere, evidence.StreamDeadline:
		return resultNone
	case evidence.ErrorOfTheCall:
		switch code {
		case codes.ResourceExhausted, codes.Internal, codes.Unknown, codes.DataLoss:
			return resultFailure
		default:
			return resultError
		}
	default:
		if early {
			return resultError
		}
		return resultBound
	}
}

// load is what is known about the latency of one connection. It takes no lock.
type load struct {
	estimate atomic.Uint64 // an estimate
	since    atomic.Int64  // when the connection became eligible, by the clock of its Room
	share    atomic.Uint64 // of the calls that are answered with errors: an estimate, in thousandths
	errors   atomic.Int64  // how many results in a row are errors
	erring   atomic.Int64  // when the first of these came
}

// begin forgets what was known: the connection becomes eligible.
func (l *load) begin(now time.Duration) {
	l.estimate.Store(0)
	l.share.Store(0)
	l.errors.Store(0)
	l.since.Store(int64(now))
}

// end takes the end of a call into account. The duration of a stream says nothing
// about the server.
func (l *load) end(r result, k call, now time.Duration) {
	took := now - k.begun
	l.count(r, now)
	r = l.inARow(r, now)
	switch {
	case k.unary:
	case r == resultFailure:
		took = 0
	case k.stream || took > longestUnknown:
		return
	}
	for {
		was := estimate(l.estimate.Load())
		is := was
		switch r {
		case resultAnswer:
			is = was.observe(took, now)
		case resultBound:
			is = was.atLeast(took, now)
		case resultFailure:
			is = was.fail(took, now)
		case resultNone, resultError: // inARow has made the latter one of the others
		}
		if is == was || l.estimate.CompareAndSwap(uint64(was), uint64(is)) {
			return
		}
	}
}

// inARow counts errors in a row, and returns as what a result counts: an error as a
// bound, or as a failure if there are only errors.
func (l *load) inARow(r result, now time.Duration) result {
	switch r {
	case resultAnswer:
		if l.errors.Load() != 0 {
			l.errors.Store(0)
		}
	case resultError:
		n := l.errors.Add(1)
		if n == 1 {
			l.erring.Store(int64(now))
		}
		if n > mostErrors && now-time.Duration(l.erring.Load()) >= errorsFor {
			return resultFailure
		}
		return resultBound
	case resultNone, resultBound, resultFailure:
	}
	return r
}

// count takes a result into the share of errors.
func (l *load) count(r result, now time.Duration) {
	was := estimate(l.share.Load())
	if r != resultError && (r != resultAnswer || was == 0) {
		return
	}
	share := was.at(now) * (1 - errorWeight)
	if r == resultError {
		share += 1000 * errorWeight
	}
	is := estimate(0)
	if share > 1 {
		is = newEstimate(share, now)
	}
	l.share.CompareAndSwap(uint64(was), uint64(is)) // one of two that end together is enough
}

// dearer returns by how much a call costs more than its latency says. Errors are quick and
// leave fewer calls in flight: without it, an endpoint that alone answers with them would
// attract calls.
func (l *load) dearer(now time.Duration) float64 {
	share := estimate(l.share.Load())
	if share == 0 {
		return 1
	}
	return 1 / max(1-share.at(now)/1000, 1.0/failureFactor)
}

// latency returns the estimated latency in nanoseconds, 0 if nothing is known. While
// calls are in flight, nothing shows that it has become shorter.
func (l *load) latency(now time.Duration, busy bool) float64 {
	e := estimate(l.estimate.Load())
	if busy {
		return e.latency()
	}
	return e.at(now)
}

// leastRamp is the share of its calls that a connection gets at first.
const leastRamp = 0.1

// ramp returns the share of its calls that the connection gets, which grows to 1 while
// it warms up.
func (l *load) ramp(now, slowStart time.Duration) float64 {
	age := now - time.Duration(l.since.Load())
	if age >= slowStart {
		return 1
	}
	return max(leastRamp, float64(age)/float64(slowStart))
}
