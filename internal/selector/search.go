package selector

import "time"

const (
	// slowestSearch is the longest pause of a search, unless the first is longer.
	slowestSearch = time.Second
	searchJitter  = 0.2
)

// SearchPause is how long a search for somebody to be active waits after its nth
// round, counted from 0, in which everyone was asked: first the pause between
// the probes of a suspect, then twice as long each time, up to a second. u is a
// random number from 0 up to 1; it makes the pause up to a fifth shorter, so that
// the clients of one service do not fall into step.
func SearchPause(n int, first time.Duration, u float64) time.Duration {
	pause, most := first, max(first, slowestSearch)
	for range n {
		if pause *= 2; pause >= most {
			break
		}
	}
	pause = min(pause, most)
	return pause - time.Duration(float64(pause)*searchJitter*u)
}
