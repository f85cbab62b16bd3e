package jsonapi

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// outcome is how an attempt ended.
type outcome uint8

const (
	// answered: a response arrived.
	answered outcome = iota
	// unsent: no byte of the request left this client.
	unsent
	// lost: the request was sent, or may have been, and no response came.
	lost
	// calledOff: the attempt was rescued, since its endpoint became unhealthy.
	calledOff
	// beaten: another attempt of the same request was faster.
	beaten
	// ended: the caller's context has ended.
	ended
	// atFault: the request itself cannot be sent to any endpoint.
	atFault
)

// ending is what an attempt has shown.
type ending struct {
	outcome outcome
	status  int
	// denied says that the endpoint's own token was answered with 401.
	denied bool
	// local says that the attempt failed for a reason of this process, such as that there
	// was no token. It is no evidence about the endpoint.
	local bool
	// retryAfter is what the response asks for, negative if it does not.
	retryAfter time.Duration
}

// situation is all that the decision about another attempt depends on.
type situation struct {
	ending

	safety Safety
	// sent counts the attempts that may have reached a server, and most bounds them.
	// unsent counts the others, and stuck those of them that had a connection on which
	// they wrote nothing: the connection ended, or the request cannot be written.
	sent, most, unsent, stuck int
	// repeatable says that the body can be sent once more.
	repeatable bool
	// elsewhere says that an endpoint may be picked that has not been tried.
	elsewhere bool
	// window is for how much longer a SafetyResubmit may be sent, and left how long the
	// caller waits; math.MaxInt64 for ever.
	window, left time.Duration
	// chance is a random number from 0 up to 1, for the pause.
	chance float64
}

// decision says whether there is another attempt.
type decision struct {
	again bool
	// pause is how long to wait first, unless another endpoint can be picked earlier.
	pause time.Duration
	// charge says that the attempt is taken from the retry budget.
	charge bool
}

// The bounds of attempts and pauses.
const (
	mostUnsent    = 64
	firstPause    = 50 * time.Millisecond
	longestPause  = time.Second
	maxRetryAfter = 30 * time.Second
)

// decide is the rule by which requests are sent again. It is a pure function:
//
//	                        once   resubmit   idempotent
//	unsent                  yes    yes        yes
//	calledOff               -      yes        yes
//	lost                    no     yes        yes
//	502, 503, 504           no     yes        yes
//	401 to the own token    no     no         elsewhere only
//	other answers           no     no         no
//	beaten, ended, atFault  no     no         no
//
// Always within the bounds of attempts and, for resubmit, of the deduplication period,
// and if the body can be sent again.
func decide(s situation) decision {
	if !s.repeatable || !s.mayRepeat() || s.sent+s.stuck >= s.most || s.unsent >= mostUnsent {
		return decision{}
	}
	d := decision{again: true, charge: s.outcome == lost || s.outcome == answered}
	if s.elsewhere {
		return d // Retry-After is about the server that has answered
	}
	d.pause = pauseAfter(s.sent+s.unsent, s.chance)
	if s.outcome == answered {
		d.pause = max(d.pause, s.retryAfter) // 0, or a date that has passed, is no reason to hurry
	}
	if d.pause > maxRetryAfter || d.pause >= s.left || s.safety == SafetyResubmit && s.sent > 0 && d.pause >= s.window {
		return decision{}
	}
	return d
}

// mayRepeat reports whether the request's safety allows another attempt.
func (s situation) mayRepeat() bool {
	switch {
	case s.stands():
		return false
	case s.denied:
		return s.safety == SafetyIdempotent && s.elsewhere
	case s.outcome == unsent && s.sent == 0:
		return true
	default:
		return s.safety == SafetyIdempotent || s.safety == SafetyResubmit && s.window > 0
	}
}

// stands reports whether no request is sent again after this ending.
func (e ending) stands() bool {
	switch e.outcome {
	case unsent, lost, calledOff:
		return false
	case answered:
		return !e.denied && !isUnavailable(e.status)
	default:
		return true
	}
}

// isUnavailable reports whether a status means that another server, or the same one later,
// may answer.
func isUnavailable(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// pauseAfter returns the pause after so many attempts: growing, with jitter.
func pauseAfter(attempts int, chance float64) time.Duration {
	d := longestPause
	if shift := max(attempts-1, 0); shift < 8 {
		d = min(firstPause<<shift, longestPause)
	}
	return d/2 + time.Duration(float64(d)/2*chance)
}

// retryAfter reads the Retry-After of a response, which is a number of seconds, however
// large, or a date. It returns a negative duration if there is none that can be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return -1
	}
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) { // then it is the largest
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return -1
	}
	return max(0, at.Sub(now))
}

// forever stands for no bound of a time.
const forever time.Duration = math.MaxInt64
