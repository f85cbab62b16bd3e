package quorum

import (
	"cmp"
	"time"
)

// claim is what a member says comes next in its stream.
type claim[T any, P cmp.Ordered] struct {
	at    P
	key   digest
	end   bool // nothing comes: the stream is at its end
	value T
}

func (c *claim[T, P]) same(as *claim[T, P]) bool {
	return c.end == as.end && (c.end || cmp.Compare(c.at, as.at) == 0 && c.key == as.key)
}

// against says in what way c contradicts what the others agree on.
func (c *claim[T, P]) against(agreed *claim[T, P]) Reason {
	switch {
	case c.end || !agreed.end && cmp.Less(agreed.at, c.at):
		return ReasonSkipped
	case agreed.end || cmp.Less(c.at, agreed.at):
		return ReasonInserted
	}
	return ReasonFork
}

// voice is one member's stream as far as it has been read.
type voice[T any, P cmp.Ordered] struct {
	// next is the number of the event that the next claim is about. If it is less than
	// sequence.next, the claim repeats one that was delivered, and has to be the same.
	next uint64
	// queue are its claims about the events from sequence.next on.
	queue  []claim[T, P]
	last   P
	claims bool      // it has made one, which last is the position of
	behind time.Time // since when next < sequence.next; zero if it is not
	left   bool      // its stream has ended: what it has claimed counts, and nothing else
}

// sequence is the state machine of a stream: it takes what members claim, event by
// event, and says what they agree on and who contradicts. It is pure: time is given to
// it, and it neither reads nor waits. Every member has to claim exactly the sequence
// that was delivered, from the place where it joined.
type sequence[T any, P cmp.Ordered] struct {
	agree  int
	keep   int           // how many delivered events are kept at least for those behind
	past   []claim[T, P] // the newest delivered, without values; oldest first
	next   uint64        // the number of the event to deliver next, from 0
	voices map[string]*voice[T, P]
	since  time.Time // since when a member claims what comes next; zero if none does
}

func newSequence[T any, P cmp.Ordered](agree, keep int) *sequence[T, P] {
	return &sequence[T, P]{agree: agree, keep: keep, voices: make(map[string]*voice[T, P])}
}

// resume makes c, which was delivered before, the newest of the past.
func (s *sequence[T, P]) resume(c claim[T, P]) {
	s.past, s.next = append(s.past, c), s.next+1
}

// join adds a member, whose first claim has to repeat the event that was delivered last,
// if there is one: it returns that one's position.
func (s *sequence[T, P]) join(name string) *P {
	v := &voice[T, P]{next: s.next}
	s.voices[name] = v
	if len(s.past) == 0 {
		return nil
	}
	v.next--
	at := s.past[len(s.past)-1].at
	return &at
}

// leave notes that a member's stream has ended. Its claims count until they are delivered,
// or the member joins again. It returns false if there are none.
func (s *sequence[T, P]) leave(name string) bool {
	v := s.voices[name]
	v.left = len(v.queue) > 0
	if !v.left {
		delete(s.voices, name)
	}
	return v.left
}

// claim takes a member's next claim, and returns why it contradicts, or "". now is only
// noted. A member that is so far behind that it cannot be checked is lagging.
func (s *sequence[T, P]) claim(name string, c claim[T, P], now time.Time) Reason {
	v := s.voices[name]
	if v.claims && !c.end && !cmp.Less(v.last, c.at) {
		return ReasonDisorder
	}
	v.claims, v.last = true, c.at
	if v.next < s.next {
		back := s.next - v.next
		if back > uint64(len(s.past)) {
			return ReasonLagging
		}
		agreed := &s.past[uint64(len(s.past))-back]
		if !c.same(agreed) {
			return c.against(agreed)
		}
		if v.next++; v.next == s.next {
			v.behind = time.Time{}
		}
		return ""
	}
	if len(v.queue) == 0 && s.since.IsZero() {
		s.since = now
	}
	v.next++
	v.queue = append(v.queue, c)
	return ""
}

// standings say how the members stand to the event that comes next.
type standings[T any, P cmp.Ordered] struct {
	leading   *claim[T, P] // what most claim; nil if no member claims anything
	count     int          // by how many
	against   []string     // those who claim something else
	undecided int          // those who have not claimed anything yet
}

// count counts the claims about the event that comes next. Of two that equally many
// claim, the one with the lesser position leads, so that the answer depends on no order.
func (s *sequence[T, P]) count() (st standings[T, P]) {
	for _, v := range s.voices {
		if len(v.queue) == 0 {
			st.undecided++
			continue
		}
		n := 0
		for _, w := range s.voices {
			if len(w.queue) > 0 && w.queue[0].same(&v.queue[0]) {
				n++
			}
		}
		if n > st.count || n == st.count && cmp.Less(v.queue[0].at, st.leading.at) {
			st.leading, st.count = &v.queue[0], n
		}
	}
	for name, v := range s.voices {
		if len(v.queue) > 0 && !v.queue[0].same(st.leading) {
			st.against = append(st.against, name)
		}
	}
	return st
}

// agreed reports whether enough members claim the same.
func (s *sequence[T, P]) agreed(st standings[T, P]) bool { return st.count >= s.agree }

// unreachable reports whether they never will, even if more members of which nothing is
// known join.
func (s *sequence[T, P]) unreachable(st standings[T, P], more int) bool {
	return st.count+st.undecided+more < s.agree
}

// deliver takes the event that members agree on as delivered. Those that claim another
// one must have left.
func (s *sequence[T, P]) deliver(agreed claim[T, P], now time.Time) {
	var zero T
	agreed.value = zero
	if len(s.past) == 2*s.keep {
		s.past = s.past[:copy(s.past, s.past[s.keep:])]
	}
	s.past = append(s.past, agreed)
	s.next++
	s.since = time.Time{}
	for name, v := range s.voices {
		switch {
		case len(v.queue) > 0:
			v.queue[0].value = zero
			v.queue = v.queue[1:]
			if len(v.queue) > 0 {
				s.since = now
			} else if v.left {
				delete(s.voices, name)
			}
		case v.behind.IsZero():
			v.behind = now
		}
	}
}

// lagging reports whether a member is behind by more than a time and more than a number of
// events.
func (s *sequence[T, P]) lagging(name string, now time.Time, limit time.Duration, count int) bool {
	v := s.voices[name]
	return !v.behind.IsZero() && now.Sub(v.behind) > limit && s.next-v.next > uint64(count)
}

// wanted is how many members there should be: enough to agree and a margin, more for
// those who are of no use for what comes next: who contradict the leading claim, and,
// if patience is at its end, who have none.
func (s *sequence[T, P]) wanted(st standings[T, P], margin int, patient bool) int {
	n := s.agree + margin + len(st.against)
	if st.leading != nil && !patient {
		n += st.undecided
	}
	return n
}
