package quorum

import (
	"errors"
	"fmt"
	"time"
)

// Config sets how many members a read asks, and how many must agree. The zero value
// uses defaults that depend on the number of members n, of which at most f =
// floor((n-1)/3) may be faulty.
type Config struct {
	// Agree is how many members must return the same answer. Default f + 1, so that
	// at least one of them is not faulty. With 1 the fastest answer wins: any single
	// member decides. With fewer than four members f is 0, and Agree must be named.
	Agree int
	// Ask is how many members are asked at once in the beginning; it is at least
	// Agree. More are asked, up to all, as soon as those asked cannot reach an
	// agreement without them, or are slow. Default 2f + 1, or Agree while that many
	// members are known to be well, which is what most reads need. A Read refuses a value
	// that its members do not allow. A Conn, a Transport and Follow do so only at first: as
	// their list changes, they take the nearest one that it allows.
	Ask int
	// HedgeAfter is how long an answer is waited for before another member is asked
	// beside. Default 2.5 times the usual latency of the member that was asked,
	// between 10 ms and 1 s, and 250 ms if that is not known; never more than a
	// quarter of the time that is left.
	HedgeAfter time.Duration
	// Timeout bounds a read whose context has no deadline. Default 10 s.
	Timeout time.Duration
	// AskAgain has all members asked again, after a pause of 50 ms to 1 s, whenever
	// no agreement can be reached, until the deadline. It is for values that move,
	// where two honest members may well differ for a moment: answers that differ are
	// no dissent then.
	AskAgain bool
	// ErrorKey makes answers of errors: if it returns true, the error counts as an
	// answer with that key. Without it errors never agree. It does not get errors marked by
	// Invalid, nor those of asks that were called off, as at the deadline. It must return at
	// once, since the read waits for it, and be safe for concurrent use.
	ErrorKey func(error) (key string, ok bool)

	fit bool // Ask was checked, and is fitted to the number of members, which may change
}

// The bounds and defaults of a Config.
const (
	// MaxMembers is the largest number of members.
	MaxMembers = 256

	minTolerant    = 4 // the fewest members of which one may be faulty
	defaultTimeout = 10 * time.Second
	minHedge       = 10 * time.Millisecond
	maxHedge       = time.Second
	unknownHedge   = 250 * time.Millisecond
	firstPause     = 50 * time.Millisecond
	maxPause       = time.Second
)

// Faulty returns f, the largest number of n members that may be faulty in any way
// while the others can still be distinguished from them: floor((n-1)/3), and 0 for
// fewer than four.
func Faulty(n int) int { return max(0, (n-1)/3) }

// thresholds returns how many of n members have to agree and how many are asked at
// first. A value of 0 for ask leaves that to what is known of the members.
func (c Config) thresholds(n int) (agree, ask int, err error) {
	agree, err = agreeOf(n, c.Agree)
	if c.fit && c.Ask > 0 {
		c.Ask = min(max(c.Ask, agree), n)
	}
	switch {
	case err != nil:
		return 0, 0, err
	case c.Ask < 0 || c.Ask > 0 && c.Ask < agree || c.Ask > n:
		return 0, 0, fmt.Errorf("quorum: ask %d: want 0 or %d to %d, from how many have to agree to all", c.Ask, agree, n)
	case c.HedgeAfter < 0 || c.HedgeAfter > 0 && c.HedgeAfter < time.Millisecond:
		return 0, 0, fmt.Errorf("quorum: hedge after %v: want a duration of at least 1ms, or 0 for the default", c.HedgeAfter)
	case c.Timeout < 0 || c.Timeout > 0 && c.Timeout < time.Millisecond:
		return 0, 0, fmt.Errorf("quorum: timeout %v: want a duration of at least 1ms, or 0 for the default", c.Timeout)
	}
	return agree, c.Ask, nil
}

// agreeOf returns how many of n members have to agree, if want is what was asked for.
func agreeOf(n, want int) (int, error) {
	switch {
	case n == 0:
		return 0, errors.New("quorum: members: empty list; want at least one member")
	case want == 0 && n < minTolerant:
		return 0, fmt.Errorf("quorum: agree 0 with %d members: no default below %d members, of which none may be faulty; "+
			"want 1 (the fastest answer wins) to %d", n, minTolerant, n)
	case want == 0:
		return Faulty(n) + 1, nil
	case want < 0 || want > n:
		return 0, fmt.Errorf("quorum: agree %d: want 1 to %d, the number of members", want, n)
	}
	return want, nil
}
