package machine

import (
	"time"

	"github.com/cantonlb/cantonlb/lease/store"
)

// denials is how many conflicts in a row about the same record are a failure of the store: it
// would be asked again at once otherwise, and for ever.
const denials = 3

// answered takes an answer of the store in. One that is not awaited any more says
// nothing: whatever it did is read again.
func (s *State) answered(e Event, f *Effects) {
	if s.request.Number == 0 || e.Number != s.request.Number {
		return
	}
	request := s.request
	s.request = Request{}
	if request.Kind == Acquire && e.Outcome == Conflict {
		if s.denied++; s.denied >= denials { // it is no conflict with others
			e.Outcome = Failed
		}
	}
	s.noteFailure(e, request, f)
	switch request.Kind {
	case Read:
		s.read(e, f)
	case Acquire:
		s.acquired(e, request, f)
	case Renew:
		s.renewed(e, request, f)
	case Release:
		s.released(e, f)
	}
}

// noteFailure notes whether the store fails. Where it can be read and not be written, it
// still does as long as the record that could not be written is there.
func (s *State) noteFailure(e Event, request Request, f *Effects) {
	was := s.failed
	switch {
	case e.Outcome == Failed:
		if was.Number == 0 {
			f.News = append(f.News, News{Kind: NewsFailing})
		}
		if was.Number == 0 || request.Kind != Read {
			s.failed = request
		}
	case was.Number == 0:
	case request.Kind == Read && was.Kind != Read && !differ(e.Record, was.Record):
	default:
		s.failed = Request{}
		f.News = append(f.News, News{Kind: NewsAnswering})
	}
}

// differ reports whether one record is another one than before.
func differ(now, before store.Record) bool {
	return now.Version != before.Version || now.Holder != before.Holder
}

func (s *State) read(e Event, f *Effects) {
	s.due = soon(e.At, s.period(), e.Rand)
	switch {
	case e.Outcome != OK && s.stopping:
		s.phase = Done
	case e.Outcome != OK:
		// What was seen before still counts: a record that has changed since is not
		// replaced.
		s.due = soon(e.At, s.p.Poll, e.Rand)
	case s.stopping && e.Record.Holder == s.p.Holder:
		s.own = e.Record
		s.release(WhyStopped, f)
	case s.stopping:
		s.phase = Done
	default:
		if changed := s.see(e, f); !changed && !s.seen.Free() && !s.seen.Expires {
			s.due = soon(e.At, min(s.period(), max(s.p.Poll, s.p.Renew/lookouts)), e.Rand)
		}
		if s.hinted {
			s.readBy(e.At)
		}
	}
}

// see takes in what was read, and reports whether it differs from what was seen before.
// The wait begins anew with every change.
func (s *State) see(e Event, f *Effects) (changed bool) {
	before, was := s.seen, s.known
	if was && !differ(e.Record, before) {
		return false
	}
	if differ(e.Record, before) {
		s.denied = 0
	}
	s.seen, s.seenAt, s.known = e.Record, e.At, true
	s.greatest = max(s.greatest, e.Record.Token)
	if e.Record.Holder != before.Holder || (e.Record.Token != before.Token && !e.Record.Free()) {
		f.News = append(f.News, News{Kind: NewsHolder, Record: e.Record})
	}
	return true
}

func (s *State) acquired(e Event, request Request, f *Effects) {
	s.phase = Following
	if e.Outcome != OK {
		s.heldBack = s.heldBack || e.Outcome == Failed
		due := e.At // a conflict means that there is something new to read
		if e.Outcome == Failed {
			due = soon(e.At, s.p.Poll, e.Rand)
		}
		s.follow(due)
		return
	}
	s.own, s.denied = e.Record, 0
	until := request.Sent + s.p.TTL - s.p.Margin
	switch {
	case e.Record.Token <= s.greatest:
		s.heldBack = false
		s.refused = true
		s.release(WhyTokenBack, f)
		f.News[len(f.News)-1].Kind = NewsRefused
	case s.stopping:
		s.greatest, s.heldBack = e.Record.Token, false
		s.release(WhyStopped, f)
	case e.At >= until:
		s.heldBack = true // the record is ours: it is acquired again
		s.follow(e.At)
		f.News = append(f.News, News{Kind: NewsRefused, Why: WhyLate, Record: e.Record})
	default:
		s.greatest, s.heldBack = e.Record.Token, false
		s.phase, s.until, s.stuck = Holding, until, false
		s.due = soon(request.Sent, s.p.Renew, e.Rand)
		f.Start = true
		f.News = append(f.News, News{Kind: NewsAcquired, Why: s.reason(), Record: e.Record})
	}
}

// reason is why the record that was seen could be replaced.
func (s *State) reason() Why {
	switch {
	case s.seen.Free():
		return WhyFree
	case s.seen.Holder == s.p.Holder:
		return WhyOwn
	default:
		return WhyExpired
	}
}

func (s *State) renewed(e Event, request Request, f *Effects) {
	switch {
	case e.Outcome == Failed:
		s.due = soon(e.At, s.p.Renew/4, e.Rand)
	case e.Outcome == Conflict, e.Record.Holder != s.p.Holder, e.Record.Token != s.own.Token:
		s.lose(e.At, WhyTaken, f)
	default:
		s.own = e.Record
		s.until = max(s.until, request.Sent+s.p.TTL-s.p.Margin)
		s.due = soon(request.Sent, s.p.Renew, e.Rand)
	}
}

func (s *State) released(e Event, f *Effects) {
	if e.Outcome == Failed && s.releases < releaseAttempts {
		return
	}
	if e.Outcome == Failed {
		f.News = append(f.News, News{Kind: NewsNotReleased, Record: s.own})
	}
	if s.stopping {
		s.phase = Done
		return
	}
	if !s.refused {
		s.follow(e.At) // others may have it
		return
	}
	s.refused = false
	s.patient = e.At + s.p.TTL // others may do better
	s.follow(s.patient)
}

// send sends what is due, if no answer is awaited.
func (s *State) send(e Event, f *Effects) {
	if s.request.Number != 0 {
		return
	}
	switch s.phase {
	case Following:
		s.sendFollowing(e, f)
	case Holding, Draining:
		if e.At >= s.due {
			s.ask(Request{Kind: Renew, Record: s.own}, e, f)
		}
	case Releasing:
		s.releases++
		s.ask(Request{Kind: Release, Record: s.own}, e, f)
	default:
	}
}

func (s *State) sendFollowing(e Event, f *Effects) {
	free, at := s.freeAt()
	switch {
	case s.stopping && !s.heldBack:
		s.phase = Done
	case s.stopping:
		s.ask(Request{Kind: Read}, e, f) // to release what may be its own
	case free && e.At >= at:
		s.phase = Acquiring
		s.ask(Request{Kind: Acquire, Record: s.seen}, e, f)
	case e.At >= s.due:
		s.ask(Request{Kind: Read}, e, f)
	}
}

// freeAt says when the record that was seen may be replaced, if it ever may.
func (s *State) freeAt() (ok bool, at Instant) {
	switch {
	case !s.known:
		return false, 0
	case s.seen.Holder == s.p.Holder:
		return true, s.seenAt
	case s.delay < 0:
		return false, 0
	case s.seen.Free():
		return true, s.seenAt + s.delay
	case s.seen.Expires:
		return false, 0
	case s.seen.TTL <= 0: // the store has lost it
		return true, s.seenAt + s.p.TTL + s.delay
	default:
		return true, s.seenAt + s.seen.TTL + s.delay
	}
}

func (s *State) ask(r Request, e Event, f *Effects) {
	s.number++
	r.Number, r.Sent, r.Deadline = s.number, e.At, e.At+s.p.Timeout
	s.request, s.hinted, f.Request = r, false, r
}

// lookouts is how often a candidate that is notified reads in a renewal period while a
// renewal is due, if Poll permits it.
const lookouts = 10

// period is how long to wait before reading again. A candidate that is notified reads a
// little before the next renewal can come, and then often until it has come: its wait
// begins when it sees a renewal, not when the store has taken it in.
func (s *State) period() time.Duration {
	if s.watching {
		return s.p.Renew - time.Duration(renewJitter*float64(s.p.Renew))
	}
	return s.p.Poll
}

// wake is when something is due. A holder looks at its clock twice in a margin, for
// timers may stand still where that clock goes on.
func (s *State) wake(at Instant) Instant {
	next := at + s.p.TTL
	if s.request.Number != 0 {
		next = min(next, s.request.Deadline)
	} else if s.phase == Following || s.phase == Holding || s.phase == Draining {
		next = min(next, s.due)
	}
	if until, held := s.Until(); held {
		next = min(next, until, at+s.p.Margin/2)
	}
	if free, when := s.freeAt(); free && s.phase == Following && s.request.Number == 0 {
		next = min(next, when)
	}
	if limit, running := s.stuckAt(); running && !s.stuck {
		next = min(next, limit)
	}
	return next
}
