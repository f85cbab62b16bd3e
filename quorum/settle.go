package quorum

import (
	"errors"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/internal/guard"
)

// note is what a round has shown of one member.
type note struct {
	record  *record
	outcome Outcome
	reason  Reason
	detail  string
	took    time.Duration
	slow    bool
	dissent bool // it contradicts the others, or answers what no sound server does
}

// outcomeOf says what became of a candidate, if winner is the answer of the others.
func (s *seat) outcomeOf(winner digest) (Outcome, Reason) {
	var behind *BehindError
	var invalid *invalidError
	var large *tooLargeError
	switch {
	case s.asked.IsZero():
		return OutcomeNotAsked, ""
	case !s.answered:
		return OutcomePending, ReasonNoAnswer
	case errors.As(s.err, &invalid):
		return OutcomeDissenting, ReasonInvalid
	case errors.As(s.err, &behind):
		return OutcomeFailed, ReasonBehind
	case errors.As(s.err, &large):
		return OutcomeFailed, ReasonTooLarge
	case s.err != nil:
		return OutcomeFailed, ReasonError
	case s.key != winner:
		return OutcomeDissenting, ReasonDiffers
	}
	return OutcomeAgreed, ""
}

// winner is the answer that counts as that of the others.
func (r *round[T]) winner(end ending[T]) digest {
	if end.outlook == decided {
		return end.winner
	}
	return r.tally.largest().key
}

// verdict returns the Verdict of the round.
func (r *round[T]) verdict(end ending[T]) Verdict {
	agree := r.tally.agree
	if r.q.positions {
		agree = (agree + 1) / 2
	}
	v := Verdict{Agree: agree, Of: len(r.list), Asked: r.next, Answers: make([]Answer, 0, len(r.list))}
	for i := range r.seats {
		s := &r.seats[i]
		a := Answer{Member: r.list[i].member.Name, Err: s.err, Detail: detailOf(s.err), Took: s.took}
		a.Outcome, a.Reason = s.outcomeOf(r.winner(end))
		v.Answers = append(v.Answers, a)
	}
	return v
}

// notes returns what is to be remembered of the round.
func (r *round[T]) notes(end ending[T]) []note {
	notes := make([]note, 0, r.next)
	for i := range r.seats[:r.next] {
		s := &r.seats[i]
		n := note{record: r.list[i].record, detail: detailOf(s.err), took: s.took, slow: s.slow}
		n.outcome, n.reason = s.outcomeOf(r.winner(end))
		switch {
		case n.reason == ReasonDiffers:
			n.dissent = end.outlook == decided && !r.q.moving
			n.detail = fmt.Sprintf("%d of %d members agree on another answer", r.tally.largest().count, len(r.list))
		case n.reason == ReasonInvalid:
			n.dissent = true
		case n.outcome == OutcomePending:
			n.took, n.detail = time.Since(s.asked), "no answer in time"
		}
		notes = append(notes, n)
	}
	return notes
}

// settle remembers what a round has shown.
func (m *Members) settle(notes []note, agreed bool) {
	m.mu.Lock()
	var told []Event
	now := m.now()
	for _, n := range notes {
		r := n.record
		r.counts.Asked++
		switch n.outcome {
		case OutcomeAgreed:
			r.answered(n.took)
			if agreed {
				r.counts.Agreed++
			}
		case OutcomeDissenting:
			if n.reason == ReasonDiffers {
				r.answered(n.took)
			}
		case OutcomePending:
			switch {
			case n.slow:
				r.failed(now, n.took, n.detail)
				r.counts.Failed++
			case agreed:
				r.passedOver(now)
			}
		default:
			if n.reason != ReasonBehind {
				r.failed(now, 0, n.detail)
			}
			r.counts.Failed++
		}
		if !n.dissent {
			continue
		}
		r.counts.Dissented++
		if r.contradicted(now, m.dissentFor(), false, n.reason, n.detail) {
			told = append(told, m.eventLocked(Event{Kind: EventDissent, Member: r.Name, Reason: n.reason, Detail: n.detail})...)
		}
	}
	m.mu.Unlock()
	m.announce(told)
}

const defaultDissentFor = 10 * time.Minute

func (m *Members) dissentFor() time.Duration {
	if m.opts.DissentFor == 0 {
		return defaultDissentFor
	}
	return m.opts.DissentFor
}

// regained notes that members agree on an event of a stream, and returns the events to announce.
func (m *Members) regained(agree int) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.regainedLocked(agree)
}

func (m *Members) regainedLocked(agree int) []Event {
	if !m.lost {
		return nil
	}
	m.lost = false
	return m.eventLocked(Event{
		Kind: EventAgreementRegained, Reason: ReasonThreshold, Detail: fmt.Sprintf("%d of %d members agree", agree, len(m.list)),
	})
}

// ended counts a read, and reports it. A read that its caller canceled is no loss of
// agreement.
func (m *Members) ended(v Verdict, quiet bool, err error) {
	m.mu.Lock()
	m.totals.Reads++
	m.totals.Asked += uint64(v.Asked)
	if err == nil {
		m.totals.Agreed++
	} else {
		m.totals.NoQuorum++
	}
	var told []Event
	switch {
	case err == nil:
		told = m.regainedLocked(v.Agree)
	case err != nil && !quiet && !m.lost:
		m.lost = true
		told = m.eventLocked(Event{Kind: EventAgreementLost, Reason: ReasonThreshold, Detail: err.Error()})
	}
	m.mu.Unlock()
	m.announce(told)
	if m.opts.OnRead != nil {
		guard.Tell(&m.left, "OnRead", func() { m.opts.OnRead(v, err) })
	}
}
