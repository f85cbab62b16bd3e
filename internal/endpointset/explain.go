package endpointset

import (
	"errors"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// ErrClosed is the error of an operation on a client that is closed.
var ErrClosed = errors.New("the client is closed")

// maxExplained is how many endpoints an explanation names; of a longer list it adds
// the number of the others.
const maxExplained = 8

// explain returns for each endpoint that is not eligible why it is not.
func (s *Set) explain() *explain.NoEligibleError {
	s.scope.Lock()
	defer s.scope.Unlock()
	return s.explainLocked()
}

func (s *Set) explainLocked() *explain.NoEligibleError {
	now := time.Now()
	n := &explain.NoEligibleError{Of: len(s.list), Resolver: cleantext.Detail(explain.ErrorText(s.problem))}
	if s.choice != nil {
		n.Pinned = s.choice.state.Pinned()
	}
	for _, e := range s.list {
		if e.was.Class == judge.Eligible {
			continue
		}
		if len(n.Endpoints) == maxExplained {
			break
		}
		n.Endpoints = append(n.Endpoints, e.explainLocked(now))
	}
	n.More = len(s.list) - s.counts[judge.Eligible] - len(n.Endpoints)
	return n
}

func (e *endpoint) explainLocked(now time.Time) report.IneligibleEndpoint {
	is := e.was
	why := report.IneligibleEndpoint{Name: e.name, State: is.State, Reason: is.Reason, Detail: is.Detail}
	if phase, since := e.phaseLocked(); phase != "" && (is.State == report.StateConnecting || is.State == report.StateUnknown) {
		why.Phase, why.For, why.Reason = phase, now.Sub(since), report.ReasonNone
		return why
	}
	switch {
	case is.State == report.StateDrained:
		why.Reason = report.ReasonNone // the state is reason enough
	case e.link.Phase() != machine.Ready && (is.State == report.StateConnecting || is.Reason == e.link.Why().Reason):
		if is.Detail != "" {
			why.Reason = report.ReasonNone // the detail is reason enough
		}
		if e.link.Phase() == machine.Waiting {
			why.NextTry = max(0, e.link.NextTry().Sub(now))
		}
	case is.State != report.StateEjected && is.Reason != report.ReasonChannelHealth:
		why.For = now.Sub(e.since)
	}
	return why
}
