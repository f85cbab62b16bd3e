package endpointset

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// Status returns a snapshot. Its State is not set: only the channel knows it.
func (s *Set) Status() report.Status {
	now := time.Now()
	s.scope.Lock()
	out := report.Status{
		At: now, Policy: s.policy, Target: s.build.Target.String(), NoneEligibleSince: s.pub.none, Totals: s.books.total(now),
		Zone: s.cfg.Zone, Spilled: s.pub.spilled, Endpoints: make([]report.EndpointStatus, 0, len(s.list)),
		Failover: s.choice.status(), Handover: s.handover.status(),
	}
	remarks := explain.Remarks{Local: s.pub.local, ListError: s.problem}
	open := s.pub.open() // in the order of the list
	checkers := make([]*checking.Checker, 0, len(s.list)+len(s.handover.old))
	for _, e := range s.list {
		status := e.statusLocked()
		if e.checker != nil && e.link.Phase() == machine.Ready && !s.build.Holds() {
			remarks.Unread++
		}
		if len(open) > 0 && open[0] == e.conn {
			status.FailOpen, open = true, open[1:]
		}
		out.Endpoints = append(out.Endpoints, status)
		checkers = append(checkers, e.checker)
	}
	for _, e := range s.handover.old {
		out.Leaving = append(out.Leaving, e.statusLocked())
		checkers = append(checkers, e.checker)
	}
	s.scope.Unlock()
	remarks.Stretched = s.budget.Stretched(now)
	for i, c := range checkers { // a checker's lock may not be taken under the set's lock
		if c == nil {
			continue
		}
		if n := len(out.Endpoints); i < n {
			probed(&out.Endpoints[i], c.Status().Probe)
		} else {
			probed(&out.Leaving[i-n], c.Status().Probe)
		}
	}
	out.Notes = remarks.Notes(out)
	return out
}

// probed adds the results of an endpoint's probes to its status.
func probed(e *report.EndpointStatus, p report.ProbeStatus) {
	p.Target = e.Probe.Target
	e.Probe = p
	if p.Answered.After(e.Heard) {
		e.Heard = p.Answered
	}
}

func (e *endpoint) statusLocked() report.EndpointStatus {
	is := e.was
	out := report.EndpointStatus{
		Name: e.name, Address: e.addressText(), Weight: e.weight, Zone: e.zone, Connection: link.Connectivity(e.link.Phase()),
		Active: e.set.choice != nil && e.set.choice.active == e, Priority: e.priority,
		State: is.State, Reason: is.Reason, Detail: is.Detail, Since: e.since, Health: is.Health,
		Eligible: is.Class == judge.Eligible, Drained: e.drained, Ejected: e.ejection.Phase != machine.Admitted, Calls: e.countsLocked(),
		Probe: report.ProbeStatus{Target: e.targetText(), Kind: report.KindConnectivity},
		Heard: e.heardAt, Transitions: slices.Clone(e.transitions), Ejections: e.ejections, LeavingSince: e.leavingSince,
	}
	if c := e.set.choice; e.normalLocked() {
		out.Passive = c.active != nil && c.active.id != e.id
	}
	if remote := e.link.Remote(); remote != nil {
		out.Remote = remote.String()
	}
	if e.link.Phase() != machine.Ready {
		out.ConnectionError = e.link.Why().Detail
	}
	out.Phase, out.PhaseSince = e.phaseLocked()
	if e.link.Phase() == machine.Waiting {
		out.NextTry = e.link.NextTry()
	}
	return out
}

// targetText returns what is probed, as text.
func (e *endpoint) targetText() string {
	switch {
	case e.healthCheck.Disabled:
		return "connectivity only"
	case e.target != nil:
		return e.target.Text(e.service)
	default:
		return fmt.Sprintf("gRPC service %q on the calls' own connection", e.service)
	}
}

// WaitEligible waits until n endpoints are eligible, or ctx ends; it then returns how
// many are, and an error that explains the others. Calls made after it has returned
// find the endpoints that it has found.
func (s *Set) WaitEligible(ctx context.Context, n int) (int, error) {
	for {
		s.scope.Lock()
		have, of, changed, stopped := s.counts[judge.Eligible], len(s.list), s.changed.next(), s.scope.Closed()
		pickable := s.pickableLocked()
		s.scope.Unlock()
		switch {
		case stopped:
			return 0, ErrClosed
		case have >= n && (pickable || n == 0):
			s.pub.Now()
			return have, nil
		case n > of && of > 0:
			return have, fmt.Errorf("cannot wait for %d healthy endpoints: the list has %d", n, of)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return have, fmt.Errorf("%d of %d endpoints are eligible, want %d: %s: %w",
				have, of, n, s.explain().Reasons(), ctx.Err())
		}
	}
}

// SetDrained takes the endpoint with this name out of rotation, or puts it back. The
// endpoint stays connected and probed. Calls under way on it may finish; calls made
// after SetDrained has returned do not go to it.
func (s *Set) SetDrained(name string, drained bool) error {
	if err := s.setDrained(name, drained); err != nil {
		return err
	}
	s.pub.Now()
	return nil
}

// Draining returns how many calls are in flight on the endpoint with this name, and
// whether it is leaving the list. It is an error if the endpoint is neither drained nor
// leaving, or if there is none, not even one that has left the list with calls in flight.
func (s *Set) Draining(name string) (inFlight uint64, leaving bool, _ error) {
	s.scope.Lock()
	defer s.scope.Unlock()
	e := s.byName[name]
	switch {
	case s.scope.Closed():
		return 0, false, ErrClosed
	case e != nil && !e.drained:
		return 0, false, fmt.Errorf("endpoint %q is not drained", cleantext.Detail(name))
	case e != nil:
		inFlight = e.countsLocked().InFlight
	}
	for _, x := range s.handover.old {
		if x.name == name && e == nil {
			leaving = true
			inFlight += x.countsLocked().InFlight
		}
	}
	known := e != nil || leaving
	for c := range s.sampler.retired {
		if x := c.endpoint; x.name == name && x != e && x.link.Phase() == machine.Closed {
			known = true
			inFlight += c.Counts().InFlight
		}
	}
	if !known {
		return 0, false, fmt.Errorf("no endpoint %q in the list", cleantext.Detail(name))
	}
	return inFlight, leaving, nil
}

func (s *Set) setDrained(name string, drained bool) error {
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() {
		return ErrClosed
	}
	e := s.byName[name]
	if e == nil {
		return fmt.Errorf("no endpoint %q in the list", cleantext.Detail(name))
	}
	if err := s.choice.drain(name, drained); err != nil {
		return err
	}
	if drained {
		s.drained[name] = true
	} else {
		delete(s.drained, name)
	}
	if e.drained == drained {
		return nil
	}
	if n := s.renewing[name]; n != nil {
		n.keepLocked()
	}
	e.drained = drained
	if drained {
		s.handover.releaseServer(e)
	}
	e.applyLocked()
	s.handover.settle() // it depends on whether all endpoints are drained
	s.pub.Mark()        // with FailOpen this matters even for an endpoint that is not eligible
	return nil
}
