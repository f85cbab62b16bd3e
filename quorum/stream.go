package quorum

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Receiver is one member's stream, such as a gRPC server stream.
type Receiver[T any] interface {
	// Recv returns the next event, and blocks until there is one. It returns io.EOF
	// itself, not wrapped, at the end of the stream, and must return when the context
	// with which the stream was opened ends.
	Recv() (T, error)
}

// StreamConfig sets what a Stream subscribes to, and how many members must agree.
type StreamConfig[T any, P cmp.Ordered] struct {
	// Open subscribes at one member. from is nil for the beginning, which the caller
	// defines, or the position of the event that was delivered last. The subscription
	// must then begin with that event, so that it can be compared; it is not delivered
	// again. Open must return when ctx ends.
	Open func(ctx context.Context, m Member, from *P) (Receiver[T], error)
	// Position returns the position of an event. It increases with every event, and all
	// members share it. For Canton that is the record time on one synchronizer; offsets
	// of participants are local and must not be used. Key returns what else is
	// compared, such as the update ID with the content. Members do not agree on what it
	// leaves out. Position, Key and Local are called from a goroutine of each member and
	// must return at once: a member whose call does not counts as one that is behind.
	Position func(T) P
	Key      func(T) string
	// Local, if not nil, returns true for a message of the member itself, such as an
	// offset checkpoint: it is neither compared nor delivered.
	Local func(T) bool

	// Agree is how many members must have the same event. Default f + 1; fewer than four
	// members need it. Margin is how many more are subscribed to. Default f.
	Agree, Margin int
	// Resume is the point to continue after, as returned by Stream.Point. nil: from the
	// beginning.
	Resume *Point[P]
	// Finite makes the end of a member's stream, io.EOF, an event that members must
	// agree on. Otherwise a stream that ends is reopened.
	Finite bool
	// Buffer is how many events of each member are held. Default 64. A member that is
	// further ahead is not read, which its server notices by flow control.
	Buffer int
	// A member that is behind by more than LagTime and by more than LagCount events is
	// replaced by another one. Defaults 2 min and 50. A member that is behind by more
	// events than are kept, at least 1,024 and twice LagCount, is reopened where the
	// others are.
	LagTime  time.Duration
	LagCount int
	// StallAfter is how long to wait at the other members for an event that one member
	// has, before more members are subscribed to. Default 1 s.
	StallAfter time.Duration
}

// Point is a place in a stream: an event that was delivered. It can be stored as JSON.
type Point[P cmp.Ordered] struct {
	Position P `json:"position"`
	// Key is the hash of the event's key, in hexadecimal digits.
	Key string `json:"key"`
}

const (
	defaultBuffer     = 64
	defaultLagTime    = 2 * time.Minute
	defaultLagCount   = 50
	defaultStallAfter = time.Second
	keptPast          = 1024
)

// Stream delivers the events on which enough members agree, each once and in order.
// Create it with NewStream, and close it with Close. Recv and Point are for one
// goroutine; the other methods are safe for concurrent use.
type Stream[T any, P cmp.Ordered] struct {
	members *Members
	cfg     StreamConfig[T, P]
	ctx     context.Context //nolint:containedctx // the caller's, which ends the stream
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	news    chan struct{} // capacity 1: Recv looks again
	adjust  chan struct{} // capacity 1: the supervisor looks again

	// mu guards what follows. The lock of members may be taken under it.
	mu     sync.Mutex
	seq    *sequence[T, P]
	margin int
	subs   map[string]*subscription
	left   map[string]Member // whose streams have ended, and whose claims still count
	pauses map[string]*backOff
	told   []Event // to be announced once mu is free
	err    error   // why there will be nothing more
	full   time.Time
	// hungry is since when too few members can be subscribed to; starved, that it was reported.
	hungry  time.Time
	starved bool
}

// NewStream subscribes to members. It returns at once: members that cannot be reached
// are retried in the background. ctx ends the stream.
func NewStream[T any, P cmp.Ordered](ctx context.Context, members *Members, cfg StreamConfig[T, P]) (*Stream[T, P], error) {
	if members == nil || cfg.Open == nil || cfg.Position == nil || cfg.Key == nil {
		return nil, errors.New("quorum: members, open, position or key: nil; want all four")
	}
	for name, n := range map[string]int64{
		"margin": int64(cfg.Margin), "buffer": int64(cfg.Buffer), "lag time": int64(cfg.LagTime),
		"lag count": int64(cfg.LagCount), "stall after": int64(cfg.StallAfter),
	} {
		if n < 0 {
			return nil, fmt.Errorf("quorum: %s %d: want a value above zero, or 0 for the default", name, n)
		}
	}
	for name, d := range map[string]time.Duration{"lag time": cfg.LagTime, "stall after": cfg.StallAfter} {
		if d > 0 && d < time.Millisecond {
			return nil, fmt.Errorf("quorum: %s %v: want a duration of at least 1ms, or 0 for the default", name, d)
		}
	}
	n := len(members.List())
	agree, err := agreeOf(n, cfg.Agree)
	if err != nil {
		return nil, err
	}
	cfg.Buffer, cfg.LagCount = cmp.Or(cfg.Buffer, defaultBuffer), cmp.Or(cfg.LagCount, defaultLagCount)
	cfg.LagTime, cfg.StallAfter = cmp.Or(cfg.LagTime, defaultLagTime), cmp.Or(cfg.StallAfter, defaultStallAfter)
	s := &Stream[T, P]{
		members: members, cfg: cfg, news: make(chan struct{}, 1), adjust: make(chan struct{}, 1),
		seq:  newSequence[T, P](agree, max(keptPast, 2*cfg.LagCount)),
		subs: make(map[string]*subscription), left: make(map[string]Member), pauses: make(map[string]*backOff),
		margin: min(cmp.Or(cfg.Margin, Faulty(n)), MaxMembers),
	}
	if cfg.Resume != nil {
		key, err := hex.DecodeString(cfg.Resume.Key)
		if err != nil || len(key) != len(digest{}) {
			return nil, fmt.Errorf("quorum: resume: key of %d characters: want a key that Point returned", len(cfg.Resume.Key))
		}
		s.seq.resume(claim[T, P]{at: cfg.Resume.Position, key: digest(key)})
	}
	s.ctx, s.cancel = context.WithCancel(ctx) //nolint:gosec // Close calls it
	s.wg.Go(s.supervise)
	return s, nil
}

// Recv returns the next event on which enough members agree. The value is that of one
// of them; they agree only on what Key covers. It blocks until there is one. It
// returns io.EOF at the end of a finite stream, the context's error once that has
// ended, and a *NoQuorumError if too few members are left that could agree. Errors are
// final. While too few members can be subscribed to it waits, however long that lasts;
// after ten seconds of it there is an EventAgreementLost.
func (s *Stream[T, P]) Recv() (zero T, err error) {
	for {
		value, ok, err := s.take()
		if ok || err != nil {
			return value, err
		}
		select {
		case <-s.news:
		case <-s.ctx.Done():
			return zero, s.finally()
		}
	}
}

// finally returns why the stream is over.
func (s *Stream[T, P]) finally() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	return s.err
}

// take returns the next event if members agree on one.
func (s *Stream[T, P]) take() (value T, ok bool, err error) {
	s.mu.Lock()
	defer s.unlock()
	agreed, _ := s.stepLocked()
	if s.err != nil || agreed == nil {
		return value, false, s.err
	}
	if agreed.end {
		s.err = io.EOF
		s.cancel()
		return value, false, s.err
	}
	value = agreed.value
	s.told = append(s.told, s.members.regained(s.seq.agree)...)
	s.seq.deliver(*agreed, time.Now())
	for _, sub := range s.subs {
		wake(sub.room)
	}
	return value, true, nil
}

// unlock releases mu, and reports what has happened under it.
func (s *Stream[T, P]) unlock() {
	told := s.told
	s.told = nil
	s.mu.Unlock()
	s.members.announce(told)
}

// stepLocked returns the event on which enough members agree, nil if there is none
// yet, after it has handled those that contradict it. disputed reports that members
// differ and neither side is large enough.
func (s *Stream[T, P]) stepLocked() (agreed *claim[T, P], disputed bool) {
	if s.err != nil {
		return nil, false
	}
	st := s.seq.count()
	if s.seq.agreed(st) {
		agreed := *st.leading
		for _, name := range st.against {
			own := s.seq.voices[name].queue[0]
			s.dissentLocked(name, own.against(&agreed), fmt.Sprintf("at %v, where %d members have %v", own.at, st.count, agreed.at))
		}
		return &agreed, false
	}
	// The members that could join are counted only where it matters.
	if s.seq.unreachable(st, 0) {
		usable, _ := s.members.usable()
		more := slices.DeleteFunc(usable, func(m Member) bool { return s.seq.voices[m.Name] != nil })
		if s.seq.unreachable(st, len(more)) {
			s.loseLocked(st)
		}
	}
	return nil, len(st.against) > 0
}

// dissentLocked ends the subscription of a member that contradicts the others, and
// prevents its further use.
func (s *Stream[T, P]) dissentLocked(name string, r Reason, detail string) {
	s.dropLocked(name)
	s.told = append(s.told, s.members.exclude(name, r, detail)...)
	wake(s.adjust)
}

// loseLocked ends the stream, as members can no longer agree.
func (s *Stream[T, P]) loseLocked(st standings[T, P]) {
	v := s.members.streamVerdict(s.seq.agree)
	for i := range v.Answers {
		a := &v.Answers[i]
		if voice := s.seq.voices[a.Member]; voice != nil && len(voice.queue) > 0 {
			a.Outcome, a.Reason = OutcomeAgreed, ""
			if !voice.queue[0].same(st.leading) {
				a.Outcome, a.Reason, a.Detail = OutcomeDissenting, ReasonDiffers, fmt.Sprintf("at %v", voice.queue[0].at)
			}
		}
	}
	s.err = &NoQuorumError{Verdict: v}
	s.told = append(s.told, s.members.lose(s.err)...)
	s.cancel()
	wake(s.news)
}

// Point returns the event that was delivered last. Store it together with the results
// of the program's work on the event: a Stream that resumes there continues with the
// next one. It returns false if no event was delivered yet, by this Stream or the one
// that it resumes.
func (s *Stream[T, P]) Point() (p Point[P], ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seq.past) == 0 {
		return p, false
	}
	last := &s.seq.past[len(s.seq.past)-1]
	return Point[P]{Position: last.at, Key: hex.EncodeToString(last.key[:])}, true
}

// Subscribed returns the names of the members that are subscribed to, in no order.
func (s *Stream[T, P]) Subscribed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.subs))
	for name := range s.subs {
		names = append(names, name)
	}
	return names
}

// Close ends all subscriptions, and waits until Open and Recv have returned, which they
// must when their context ends. It may be called more than once.
func (s *Stream[T, P]) Close() {
	s.cancel()
	s.wg.Wait()
}

// wake puts a token into a channel of capacity 1, unless there is one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
