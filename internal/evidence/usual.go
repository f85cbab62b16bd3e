package evidence

import "time"

// Usual is what is known about the time in which an endpoint answers calls on one
// connection. Its times are readings of a monotonic clock that are greater than 0. The
// zero value knows nothing. It is a plain value.
type Usual struct {
	// Since is when the first call was made, and Answered is when the last call was
	// answered; 0 if there was none.
	Since, Answered time.Duration
	// Took is how long the slowest of the recent calls took.
	Took time.Duration
}

const (
	// atLeast is the time that an endpoint may always need for a call: for that long
	// after its last answer, a shorter deadline says nothing about it. It is below a
	// second, since many callers wait that long, less what they need before the pick.
	atLeast = 800 * time.Millisecond
	// answers is how long Took is compared with deadlines after the last answer.
	answers = 10 * time.Second
	// forget is the time in which Took falls to about a third.
	forget = 20 * time.Second
)

// Next returns what is known after a call that was answered at the time now, and that
// took d. A longer time replaces Took at once, and Took decays while calls take less.
// So it stands for the slow ones among the endpoint's methods.
func (u Usual) Next(now, d time.Duration) Usual {
	if u.Answered > 0 && now > u.Answered {
		u.Took -= time.Duration(float64(u.Took) * min(1, float64(now-u.Answered)/float64(forget)))
	}
	u.Took, u.Answered = max(u.Took, d, 0), now
	return u
}

// Short reports whether a deadline that passes now, and that left an endpoint this
// much time, was too short while calls are answered. u is what the connection shows,
// and all what the connections of all endpoints show: all calls on one connection may
// have been too short.
func (u Usual) Short(now, patience time.Duration, all Usual) bool {
	if patience < atLeast && now-max(u.Since, u.Answered) < atLeast {
		return true
	}
	return u.exceeds(now, patience) || all.exceeds(now, patience)
}

// exceeds reports whether calls are answered that need more time than this.
func (u Usual) exceeds(now, patience time.Duration) bool {
	return u.Answered > 0 && now-u.Answered < answers && patience < u.Took
}
