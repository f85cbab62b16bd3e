package quorum

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// subscription is one member's stream that is being read.
type subscription struct {
	member Member
	began  time.Time
	cancel context.CancelFunc
	room   chan struct{} // capacity 1: its queue may have room again
}

// backOff is how long a member is left alone after its stream has ended.
type backOff struct {
	fails int
	early int // how many of those in a row did not last
	until time.Time
}

const (
	firstBackOff = 100 * time.Millisecond
	maxBackOff   = 10 * time.Second
	// spareFor is how long members more than wanted are kept.
	spareFor = 10 * time.Second
)

// supervise keeps as many members subscribed as are wanted.
func (s *Stream[T, P]) supervise() {
	ticker := time.NewTicker(min(max(s.cfg.StallAfter/4, time.Millisecond), time.Second))
	defer ticker.Stop()
	for {
		s.plan()
		select {
		case <-s.ctx.Done():
			return
		case <-s.adjust:
		case <-ticker.C:
		case <-s.members.changes():
		}
	}
}

// plan subscribes to more members, replaces those that lag, and drops those too many.
func (s *Stream[T, P]) plan() {
	s.members.refresh() // before mu: it may call the program's function
	s.mu.Lock()
	defer s.unlock()
	if s.err != nil || s.ctx.Err() != nil {
		return
	}
	now := time.Now()
	usable, list := s.members.usable() // of one list, in which no server has two names
	s.followLocked(list)
	s.starveLocked(usable, now)
	joinable := s.joinableLocked(usable, now)
	spare := len(joinable)
	for name := range s.subs {
		if spare > 0 && s.seq.lagging(name, now, s.cfg.LagTime, s.cfg.LagCount) {
			s.replaceLocked(name, now)
			spare--
		}
	}
	st := s.seq.count()
	patient := s.seq.since.IsZero() || now.Sub(s.seq.since) < s.cfg.StallAfter
	want := s.seq.wanted(st, s.margin, patient)
	if len(s.subs) <= want {
		s.full = now
	}
	for _, m := range joinable {
		if len(s.subs) >= want {
			break
		}
		s.subscribeLocked(m)
	}
	if len(s.subs) > want && now.Sub(s.full) > spareFor {
		s.dropLocked(s.lastLocked())
		s.full = now
	}
	if agreed, _ := s.stepLocked(); agreed != nil { // fewer may have to agree than before
		wake(s.news)
	}
}

// followLocked takes the list of members in. A member that is another server now is subscribed to anew:
// the one before may have another name now, and would count twice.
func (s *Stream[T, P]) followLocked(list []Member) {
	keep := func(was Member) {
		if !slices.ContainsFunc(list, func(m Member) bool { return m.Name == was.Name && !replaced(was, m) }) {
			s.dropLocked(was.Name)
		}
	}
	for _, sub := range s.subs {
		keep(sub.member)
	}
	for _, m := range s.left {
		keep(m)
	}
	maps.DeleteFunc(s.pauses, func(name string, _ *backOff) bool {
		return !slices.ContainsFunc(list, func(m Member) bool { return m.Name == name })
	})
	if agree, err := agreeOf(len(list), s.cfg.Agree); err == nil {
		s.seq.agree = agree
		if s.cfg.Margin == 0 {
			s.margin = Faulty(len(list))
		}
	}
}

// joinableLocked returns those of the usable members that may be subscribed to now.
func (s *Stream[T, P]) joinableLocked(usable []Member, now time.Time) []Member {
	return slices.DeleteFunc(usable, func(m Member) bool {
		pause := s.pauses[m.Name]
		return s.subs[m.Name] != nil || pause != nil && now.Before(pause.until)
	})
}

// lastLocked returns the member that is furthest behind.
func (s *Stream[T, P]) lastLocked() string {
	last := ""
	for name := range s.subs {
		if last == "" || s.seq.voices[name].next < s.seq.voices[last].next {
			last = name
		}
	}
	return last
}

func (s *Stream[T, P]) replaceLocked(name string, now time.Time) {
	behind := s.seq.next - s.seq.voices[name].next
	s.dropLocked(name)
	s.pauses[name] = &backOff{until: now.Add(s.cfg.LagTime)}
	s.told = append(s.told, s.members.note(Event{
		Kind: EventReplaced, Member: name, Reason: ReasonLagging, Detail: fmt.Sprintf("%d events behind", behind),
	})...)
}

func (s *Stream[T, P]) dropLocked(name string) {
	if sub := s.subs[name]; sub != nil {
		sub.cancel()
	}
	delete(s.subs, name)
	delete(s.left, name)
	delete(s.seq.voices, name)
}

func (s *Stream[T, P]) subscribeLocked(m Member) {
	ctx, cancel := context.WithCancel(s.ctx)
	sub := &subscription{member: m, began: time.Now(), cancel: cancel, room: make(chan struct{}, 1)}
	s.subs[m.Name] = sub
	delete(s.left, m.Name)
	from := s.seq.join(m.Name)
	s.wg.Go(func() {
		defer cancel()
		s.ended(m.Name, sub, s.read(ctx, m, sub, from))
	})
}

// read reads one member's stream until it ends, contradicts the others, or is called off.
func (s *Stream[T, P]) read(ctx context.Context, m Member, sub *subscription, from *P) error {
	r, err := s.cfg.Open(ctx, m, from)
	if err == nil && protopath.IsNil(r) {
		err = errors.New("StreamConfig.Open has returned neither a stream nor an error")
	}
	if err != nil {
		return err
	}
	for {
		value, err := r.Recv()
		c := claim[T, P]{end: true}
		switch {
		case err == io.EOF && s.cfg.Finite: //nolint:errorlint // a wrapped one may be a connection that was cut
		case err != nil:
			return err
		case s.cfg.Local != nil && s.cfg.Local(value):
			continue
		default:
			c = claim[T, P]{at: s.cfg.Position(value), key: sum('v', s.cfg.Key(value)), value: value}
		}
		for !s.claimed(m.Name, sub, c) {
			select {
			case <-sub.room:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if c.end {
			<-ctx.Done()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// claimed takes a member's claim. It returns false if there is no room for it.
func (s *Stream[T, P]) claimed(name string, sub *subscription, c claim[T, P]) bool {
	s.mu.Lock()
	defer s.unlock()
	if s.subs[name] != sub {
		return true // it is not wanted any more
	}
	if len(s.seq.voices[name].queue) >= s.cfg.Buffer {
		return false
	}
	now := time.Now()
	delete(s.pauses, name)
	switch r := s.seq.claim(name, c, now); r {
	case "":
	case ReasonLagging: // it cannot be checked any more, and begins anew where the others are
		s.dropLocked(name)
		s.pauses[name] = &backOff{until: now.Add(firstBackOff)}
	default:
		s.dissentLocked(name, r, fmt.Sprintf("at %v", c.at))
	}
	switch agreed, disputed := s.stepLocked(); {
	case agreed != nil:
		wake(s.news)
	case disputed:
		wake(s.adjust)
	}
	return true
}

// ended notes that a member's stream has ended, so that it or another is opened.
func (s *Stream[T, P]) ended(name string, sub *subscription, err error) {
	s.mu.Lock()
	defer s.unlock()
	if s.subs[name] != sub {
		return
	}
	delete(s.subs, name)
	if s.seq.leave(name) { // a stream may well be short
		s.left[name] = sub.member
	}
	p := s.pauses[name]
	if p == nil {
		p = new(backOff)
		s.pauses[name] = p
	}
	now := time.Now()
	p.endedAfter(now.Sub(sub.began), err)
	d := min(firstBackOff<<min(p.fails, 7), maxBackOff)
	p.fails, p.until = p.fails+1, now.Add(d/2+rand.N(d))
	s.members.failed(name, err)
	wake(s.adjust)
	s.stepLocked()
}
