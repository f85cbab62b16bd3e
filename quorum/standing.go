package quorum

import (
	"math/bits"
	"time"
)

// standing is what is remembered of one member: a plain value, changed by its methods
// only. It decides who is asked first.
type standing struct {
	latency time.Duration // smoothed; 0 if it has never answered
	fails   int           // failures and slow answers in a row
	passed  int           // how often in a row others had decided before it answered
	retry   time.Time     // until when it is asked last because of them

	ill bool // as Member.Healthy says

	dissent   bool // it has contradicted what others agreed on
	until     time.Time
	byHand    bool // until ClearDissent, whatever the time
	excluded  bool // a stream may not use it either
	reason    Reason
	detail    string
	since     time.Time
	lastError string
}

// rank is the order in which members are asked: lower ones first.
type rank uint8

const (
	rankWell rank = iota
	rankFailing
	rankDissenting
)

// The pauses in which a member that fails is asked last.
const (
	firstRetry = time.Second
	maxRetry   = time.Minute
	// patience is how often others may decide before a member answers: from then on it
	// counts as slow, although none has waited for it long enough to say so.
	patience = 3
)

// rank returns the member's rank at a time.
func (s *standing) rank(now time.Time) rank {
	switch {
	case s.dissents(now):
		return rankDissenting
	case s.ill || now.Before(s.retry):
		return rankFailing
	}
	return rankWell
}

// known reports whether the member has answered before, and reliably of late.
func (s *standing) known(now time.Time) bool { return s.latency > 0 && s.rank(now) == rankWell }

// bucket groups latencies of about the same size, so that members of one bucket take
// turns. One that is not known comes first, to become known.
func (s *standing) bucket() int { return bits.Len64(uint64(s.latency / time.Millisecond)) }

// hedge returns how long the member's answer is waited for alone.
func (s *standing) hedge() time.Duration {
	if s.latency == 0 {
		return unknownHedge
	}
	return min(max(s.latency*5/2, minHedge), maxHedge)
}

// answered notes an answer that took so long.
func (s *standing) answered(took time.Duration) {
	s.fails, s.passed, s.retry, s.lastError = 0, 0, time.Time{}, ""
	s.smooth(max(took, 1))
}

func (s *standing) smooth(took time.Duration) {
	if s.latency == 0 {
		s.latency = took
		return
	}
	s.latency += (took - s.latency) / 5
}

// failed notes an answer that did not come, or was an error. took is 0 if it says
// nothing of the latency.
func (s *standing) failed(now time.Time, took time.Duration, why string) {
	s.fails++
	s.retry = now.Add(min(firstRetry<<min(s.fails-1, 6), maxRetry))
	s.lastError = why
	if took > s.latency && s.latency > 0 {
		s.smooth(took)
	}
}

// passedOver notes that others had decided before the member answered.
func (s *standing) passedOver(now time.Time) {
	if s.passed++; s.passed%patience == 0 {
		s.failed(now, 0, "slower than the others")
	}
}

// contradicted notes a dissent, which lasts for a time, or until it is cleared by
// hand if lasts is negative. It returns false if that was known.
func (s *standing) contradicted(now time.Time, lasts time.Duration, exclude bool, r Reason, detail string) bool {
	was := s.dissents(now) && (s.excluded || !exclude)
	if !s.dissents(now) {
		s.since = now
	}
	s.dissent, s.byHand, s.until = true, lasts < 0, now.Add(lasts)
	s.excluded = s.excluded || exclude
	s.reason, s.detail = r, detail
	return !was
}

// dissents reports whether a dissent counts, and forgets one that is over.
func (s *standing) dissents(now time.Time) bool {
	if s.dissent && !s.byHand && !now.Before(s.until) {
		s.clear()
	}
	return s.dissent
}

// clear forgets a dissent. It returns false if there was none.
func (s *standing) clear() bool {
	was := s.dissent
	s.dissent, s.byHand, s.excluded, s.until, s.reason, s.detail, s.since = false, false, false, time.Time{}, "", "", time.Time{}
	return was
}
