package lease

import (
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/lease/internal/machine"
)

// State is the state of a candidate.
type State string

// The states of a candidate.
const (
	// StateIdle: Run has not been called.
	StateIdle State = "idle"
	// StateCandidate: it watches the lease, and acquires it when it can.
	StateCandidate State = "candidate"
	// StateHolder: it holds the lease, and its work runs.
	StateHolder State = "holder"
	// StateEnding: the context of its work has ended, or the work has returned, and the
	// lease was lost or is being released.
	StateEnding State = "ending"
	// StateClosed: Run has returned.
	StateClosed State = "closed"
)

// Status is a snapshot of a candidate.
type Status struct {
	// Name is the name of the lease, and Candidate is this candidate's own name.
	Name      string
	Candidate string
	State     State
	// Since is when State began.
	Since time.Time
	// Holder is the last known holder of the lease, "" if there is none; Token is the
	// holder's, or the last one's.
	Holder string
	Token  uint64
	// Acquired and Lost count how often that happened to this candidate.
	Acquired, Lost uint64
	// StoreFailing reports that the last request to the store has failed. StoreError is
	// the text of the last failure, "" if there was none.
	StoreFailing bool
	StoreError   string
}

// Status returns what the candidate knows. It does not wait.
func (c *Candidate) Status() Status { return *c.status.Load() }

var states = map[machine.Phase]State{
	machine.Following: StateCandidate,
	machine.Acquiring: StateCandidate,
	machine.Holding:   StateHolder,
	machine.Draining:  StateEnding,
	machine.Lost:      StateEnding,
	machine.Releasing: StateEnding,
	machine.Done:      StateClosed,
}

// publish updates the status. Only loop calls it.
func (r *run) publish() {
	s := r.Status()
	if now := states[r.state.Phase()]; now != s.State {
		s.State, s.Since = now, time.Now()
	}
	record := r.state.Seen()
	if _, held := r.state.Until(); held {
		record = r.state.Own()
	}
	s.Holder, s.Token = record.Holder, record.Token
	s.StoreFailing, s.StoreError = r.state.Failing(), r.detail
	r.status.Store(&s)
}

// news makes an event of what the state machine has to tell.
func (r *run) news(n machine.News) {
	e := Event{Kind: kinds[n.Kind], Holder: n.Record.Holder, Token: n.Record.Token, Reason: reasons[n.Why]}
	switch n.Kind {
	case machine.NewsFailing, machine.NewsNotReleased:
		e.Reason, e.Detail = ReasonStoreError, r.detail
	case machine.NewsAcquired, machine.NewsLost:
		s := r.Status()
		if n.Kind == machine.NewsAcquired {
			s.Acquired++
		} else {
			s.Lost++
		}
		r.status.Store(&s)
	default:
	}
	e = r.append(e)
	if n.Kind == machine.NewsStuck && r.cfg.ExitWhenStuck && r.state.Phase() == machine.Lost {
		r.exitStuck(e)
	}
}

func (r *run) append(e Event) Event {
	r.number++
	e.Number, e.At, e.Name = r.number, time.Now(), r.cfg.Name
	r.events.Append(e)
	return e
}

// exitStuck ends the process before another candidate can acquire the lease. It logs
// that first, unless the logger blocks.
func (r *run) exitStuck(e Event) {
	exit := sync.OnceFunc(func() { r.exit(ExitCodeStuck) })
	time.AfterFunc(r.params.Margin/4, exit)
	go func() {
		e.log(r.cfg.Logger)
		exit()
	}()
}

// detail is an error for people, bounded.
func detail(err error) string { return cleantext.Detail(err.Error()) }
