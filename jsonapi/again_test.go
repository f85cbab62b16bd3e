package jsonapi

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestWhatIsSentAgain is the table of decide: each safety with each ending.
func TestWhatIsSentAgain(t *testing.T) {
	answer := func(status int) ending { return ending{outcome: answered, status: status, retryAfter: -1} }
	for name, x := range map[string]struct {
		ending
		once, resubmit, idempotent bool
	}{
		"unsent":             {ending{outcome: unsent}, true, true, true},
		"unsent, no token":   {ending{outcome: unsent, local: true}, true, true, true},
		"called off":         {ending{outcome: calledOff}, false, true, true},
		"lost":               {ending{outcome: lost}, false, true, true},
		"beaten":             {ending{outcome: beaten}, false, false, false},
		"the caller is gone": {ending{outcome: ended}, false, false, false},
		"not a request":      {ending{outcome: atFault}, false, false, false},
		"200":                {answer(200), false, false, false},
		"307":                {answer(307), false, false, false},
		"400":                {answer(400), false, false, false},
		"401":                {answer(401), false, false, false},
		"401 to our token":   {ending{outcome: answered, status: 401, denied: true, retryAfter: -1}, false, false, true},
		"404":                {answer(404), false, false, false},
		"409":                {answer(409), false, false, false},
		"429":                {answer(429), false, false, false},
		"500":                {answer(500), false, false, false},
		"501":                {answer(501), false, false, false},
		"502":                {answer(502), false, true, true},
		"503":                {answer(503), false, true, true},
		"504":                {answer(504), false, true, true},
	} {
		for safety, again := range map[Safety]bool{SafetyOnce: x.once, SafetyResubmit: x.resubmit, SafetyIdempotent: x.idempotent} {
			s := situation{
				ending: x.ending, safety: safety, most: 3, repeatable: true, elsewhere: true, window: forever, left: forever,
			}
			if x.outcome == unsent {
				s.unsent = 1
			} else {
				s.sent = 1
			}
			d := decide(s)
			assert.Equal(t, again, d.again, "%s, %s", name, safety)
			assert.Zero(t, d.pause, "there is another endpoint")
			assert.Equal(t, again && x.outcome != unsent && x.outcome != calledOff, d.charge, "%s, %s", name, safety)

			for what, change := range map[string]func(*situation){
				"the body cannot be sent again": func(s *situation) { s.repeatable = false },
				"all attempts are used":         func(s *situation) { s.sent = 3 },
				"too many wrote nothing":        func(s *situation) { s.stuck = 3 },
				"too many were never sent":      func(s *situation) { s.unsent = mostUnsent },
				"no time for a pause":           func(s *situation) { s.elsewhere, s.left = false, 0 },
			} {
				c := s
				change(&c)
				assert.Equal(t, decision{}, decide(c), "%s, %s: %s", name, safety, what)
			}
			alone := s
			alone.elsewhere = false
			d = decide(alone)
			again = again && !x.denied // the token would be rejected again
			assert.Equal(t, again, d.again, "%s, %s: alone", name, safety)
			assert.Equal(t, again, d.pause > 0, "%s, %s: alone", name, safety)
		}
	}
}

func TestACommandIsNotSentAgainAfterItsPeriod(t *testing.T) {
	s := situation{
		ending: ending{outcome: lost}, safety: SafetyResubmit, sent: 1, most: 3, repeatable: true, elsewhere: true, left: forever,
	}
	assert.False(t, decide(s).again)
	s.outcome = unsent
	assert.False(t, decide(s).again, "an earlier attempt may have been executed")
	s.sent, s.unsent = 0, 1
	assert.True(t, decide(s).again, "it has never left")
	s.safety, s.sent = SafetyOnce, 1
	assert.False(t, decide(s).again)
	s.safety, s.window, s.outcome, s.status, s.retryAfter = SafetyResubmit, 3*time.Second, answered, 503, 2*time.Second
	s.elsewhere = false
	assert.True(t, decide(s).again)
	s.retryAfter = 3 * time.Second
	assert.Equal(t, decision{}, decide(s), "the period is over by then")
	s.safety = SafetyIdempotent
	assert.True(t, decide(s).again)
}

func TestRetryAfterIsHonouredWithoutAnotherEndpoint(t *testing.T) {
	s := situation{
		ending: ending{outcome: answered, status: 503, retryAfter: 2 * time.Second}, safety: SafetyIdempotent, sent: 1, most: 3,
		repeatable: true, left: 3 * time.Second,
	}
	assert.Equal(t, decision{again: true, pause: 2 * time.Second, charge: true}, decide(s))
	s.retryAfter = 0
	assert.Equal(t, decision{again: true, pause: firstPause / 2, charge: true}, decide(s), "the pause is never shorter than without it")
	s.left, s.retryAfter = time.Second, 2*time.Second
	assert.Equal(t, decision{}, decide(s), "it asks for more time than there is: the answer is returned")
	s.left, s.retryAfter = forever, maxRetryAfter+1
	assert.Equal(t, decision{}, decide(s))
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": -1, "0": 0, "120": 2 * time.Minute, "-1": -1, "x": -1, "1.5": -1, "99999999999": math.MaxUint32 * time.Second,
		"99999999999999999999999": math.MaxUint32 * time.Second, "Fri, 31 Dec 9999 23:59:59 GMT": forever,
		"Thu, 01 Jan 2026 00:01:00 GMT": time.Minute, "Wed, 31 Dec 2025 00:00:00 GMT": 0,
	} {
		h := http.Header{}
		h.Set("Retry-After", text)
		assert.Equal(t, want, retryAfter(h, now), text)
	}
}

func TestPausesGrowWithJitter(t *testing.T) {
	assert.Equal(t, firstPause/2, pauseAfter(1, 0))
	assert.Equal(t, firstPause, pauseAfter(2, 0))
	assert.Equal(t, 75*time.Millisecond, pauseAfter(2, 0.5))
	for _, n := range []int{6, 7, 20, 1000} {
		assert.Equal(t, longestPause/2, pauseAfter(n, 0))
	}
	assert.Equal(t, firstPause/2, pauseAfter(0, 0))
}
