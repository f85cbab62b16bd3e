package selector

import "time"

const (
	// slowestSearch is the longest pause of a search, unless the first is longer.
	slowestSearch = time.Second
	searchJitter  = 0.2
)

// SearchPause returns how long a search for an active member pauses after its nth
// round of probing all members, counted from 0. The first pause is first, the
// interval between the probes of a suspect member; each further one is twice as
// long, up to a second. u is a random number from 0 up to 1. It shortens the pause
// by up to a fifth, so that the clients of one service do not probe in step.
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
