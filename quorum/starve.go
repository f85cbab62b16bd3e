package quorum

import (
	"io"
	"time"
)

// A stream whose members all refuse, as those that have pruned what it is to begin with, would wait without
// a word: an event that does not come says nothing.
const (
	// starveAfter is how long a subscription has to be open to be one that works, and how long too few
	// of them are put up with before that is reported.
	starveAfter = 10 * time.Second
	// starveFails is how often in a row those of one member have to fail before.
	starveFails = 3
)

// endedAfter notes how a subscription has ended. One that the server has closed may have had nothing to say.
func (b *backOff) endedAfter(lasted time.Duration, err error) {
	b.early++
	if lasted >= starveAfter || err == io.EOF { //nolint:errorlint // a wrapped one may be a connection that was cut
		b.early = 0
	}
}

// starveLocked reports that too few of the members that may be used can be subscribed to, once, and that
// enough can again.
func (s *Stream[T, P]) starveLocked(usable []Member, now time.Time) {
	able := 0
	for _, m := range usable {
		pause, sub := s.pauses[m.Name], s.subs[m.Name]
		if pause == nil || pause.early < starveFails || sub != nil && now.Sub(sub.began) >= starveAfter {
			able++
		}
	}
	switch {
	case able >= s.seq.agree:
		if s.starved {
			s.told = append(s.told, s.members.regained(able)...)
		}
		s.starved, s.hungry = false, time.Time{}
	case s.hungry.IsZero():
		s.hungry = now
	case !s.starved && now.Sub(s.hungry) >= starveAfter:
		s.starved = true
		s.told = append(s.told, s.members.lose(&NoQuorumError{Verdict: s.members.streamVerdict(s.seq.agree)})...)
	}
}
