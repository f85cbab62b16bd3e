package machine

import (
	"time"

	"github.com/cantonlb/cantonlb/lease/store"
)

// releaseAttempts is how often a holder tries to release a lease before it lets the
// lease expire.
const releaseAttempts = 2

// renewJitter is the part of a period by which it is shortened at random.
const renewJitter = 0.2

// State is a candidate. It is a value: Next returns another one.
type State struct {
	p        Params
	phase    Phase
	begun    bool // there was an event; a reading of the clock may be any number
	stopping bool // the owner wants an end, or the work has returned by itself
	yielding bool // the owner wants others to have the lease
	watching bool // the store notifies of changes
	delay    time.Duration

	request Request // the one whose answer is awaited
	number  uint64  // of the last request
	due     Instant // when to read or renew next
	patient Instant // a hint of the store does not make that earlier than this
	hinted  bool    // a hint came while a request was under way, which may have missed the change

	seen     store.Record // what was read last
	seenAt   Instant      // since when it has been like that
	known    bool         // whether seen is to be acted upon
	heldBack bool         // an Acquire was sent whose outcome is not known
	denied   int          // how often in a row an Acquire was a conflict, and the record that was seen the same before and after
	greatest uint64       // the greatest token seen

	own      store.Record
	until    Instant // when the lease ends by itself
	endedAt  Instant // when the context of the work ended
	stuck    bool    // that has been reported
	releases int     // attempts
	refused  bool    // it is given back unused
	failed   Request // the one with which the store began to fail, or a write that has failed since; zero if it answers
}

// New returns a candidate that has not asked anything yet.
func New(p Params) State { return State{p: p, delay: p.Delay} }

// Phase returns where the candidate stands.
func (s State) Phase() Phase { return s.phase }

// Seen returns the last record that was read.
func (s State) Seen() store.Record { return s.seen }

// Own returns the candidate's own record. It means something from Holding to
// Releasing.
func (s State) Own() store.Record { return s.own }

// Until returns when the lease ends, unless it is renewed; ok is false if the
// candidate has none.
func (s State) Until() (until Instant, ok bool) {
	return s.until, s.phase == Holding || s.phase == Draining
}

// Failing reports whether the last request to the store has failed, or the last write has
// and its record is still there.
func (s State) Failing() bool { return s.failed.Number != 0 }

// Next takes one event in.
func (s State) Next(e Event) (State, Effects) {
	var f Effects
	if s.phase == Done {
		f.Finish = true
		return s, f
	}
	if !s.begun {
		s.begun, s.due, s.patient = true, e.At, e.At
	}
	// What time has done comes first: an answer that comes with or after the end of
	// the lease does not bring it back.
	s.expire(e.At, &f)
	switch e.Kind {
	case Tick:
	case Answered:
		s.answered(e, &f)
	case Changed:
		s.watching = true
		s.changed(e, &f)
	case WatchEnded:
		s.watching = false
		s.readBy(soon(e.At, s.p.Poll, e.Rand))
	case WorkReturned:
		s.returned(e, &f)
	case Stop:
		s.stop(e, &f)
	case Yield:
		s.yield(e, &f)
	case Defer:
		s.delay = e.Delay
	}
	s.send(e, &f)
	f.Wake = s.wake(e.At)
	f.Finish = s.phase == Done
	return s, f
}

// changed is a hint of the store. The record that comes with it is as good as one that
// was read: an Acquire is refused if there is another one by then. During a read it may
// be older than the answer, or newer, so that the lease is read once more.
func (s *State) changed(e Event, f *Effects) {
	s.hinted = s.request.Number != 0
	if e.Now == nil || s.hinted || s.phase != Following || e.At < s.patient {
		s.readBy(e.At)
		return
	}
	e.Record = *e.Now
	s.see(e, f)
	s.due = soon(e.At, s.period(), e.Rand)
}

// readBy makes the next read due earlier, if the candidate follows.
func (s *State) readBy(at Instant) {
	if s.phase == Following {
		s.due = min(s.due, max(at, s.patient))
	}
}

// expire does what time alone does.
func (s *State) expire(at Instant, f *Effects) {
	if until, held := s.Until(); held && at >= until {
		s.lose(at, WhyNotRenewed, f)
	}
	if s.request.Number != 0 && at >= s.request.Deadline {
		s.answered(Event{At: at, Number: s.request.Number, Outcome: Failed}, f)
	}
	if limit, running := s.stuckAt(); running && !s.stuck && at >= limit {
		s.stuck = true
		f.News = append(f.News, News{Kind: NewsStuck, Record: s.own})
	}
}

// stuckAt is when work whose context has ended should have returned. While the lease is
// still renewed there is no danger, and so more time.
func (s *State) stuckAt() (Instant, bool) {
	switch s.phase {
	case Lost:
		return s.endedAt + s.p.Stuck, true
	case Draining:
		return s.endedAt + s.p.TTL, true
	default:
		return 0, false
	}
}

// lose ends a lease that is not the candidate's any more.
func (s *State) lose(at Instant, why Why, f *Effects) {
	s.phase, s.request, s.endedAt, s.stuck, s.yielding = Lost, Request{}, at, false, false
	f.End = why
	f.News = append(f.News, News{Kind: NewsLost, Why: why, Record: s.own})
}

// stop is the owner's wish.
func (s *State) stop(e Event, f *Effects) {
	s.stopping = true
	switch {
	case s.phase == Holding:
		s.phase, s.endedAt, s.stuck = Draining, e.At, false
		f.End = WhyStopped
	case s.phase == Following && !s.heldBack:
		s.request = Request{} // what it would say does not matter any more
	}
}

// yield is the owner's wish that others have the lease. It passes like an end, but the
// candidate goes on.
func (s *State) yield(e Event, f *Effects) {
	if s.phase == Holding {
		s.phase, s.endedAt, s.stuck, s.yielding = Draining, e.At, false, true
		f.End = WhyYielded
	}
}

// returned is the end of the work.
func (s *State) returned(e Event, f *Effects) {
	switch s.phase {
	case Holding, Draining:
		why := WhyReturned
		switch {
		case s.stopping:
			why = WhyStopped
		case s.yielding:
			why = WhyYielded
		}
		s.stopping = s.stopping || !s.yielding
		s.yielding = false
		s.release(why, f)
	case Lost:
		s.follow(e.At)
	default:
	}
}

// release begins the release of the lease.
func (s *State) release(why Why, f *Effects) {
	s.phase, s.request, s.releases = Releasing, Request{}, 0
	f.News = append(f.News, News{Kind: NewsReleased, Why: why, Record: s.own})
}

// follow begins anew, from what is read next.
func (s *State) follow(due Instant) {
	s.phase, s.request, s.known, s.due = Following, Request{}, false, due
}

// soon is a period from now, less some jitter.
func soon(at Instant, period time.Duration, random float64) Instant {
	return at + period - time.Duration(renewJitter*random*float64(period))
}
