package endpointset

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/healthcheck"
)

// Status is a snapshot of a set.
type Status struct {
	Policy    string
	Target    string           // of the channel, in grpc's canonical form
	Endpoints []EndpointStatus // in the order of the list
	// NoneSince is since when no endpoint is eligible; zero if one is.
	NoneSince time.Time
	// ProbesStretched tells that the probes do not all fit into their budget, so
	// that they are made less often than configured.
	ProbesStretched bool
	// Failover tells of the active; nil if all that are eligible are picked.
	Failover *FailoverStatus
	Totals   Totals
	// ListError is what was wrong with the newest list, which therefore is not
	// in force.
	ListError error
	// Zone is where the client stands, empty if that is not known; Local is how
	// many endpoints of the list stand there. Spilled tells that calls leave it.
	Zone    string
	Local   int
	Spilled bool
}

// EndpointStatus is a snapshot of one endpoint.
type EndpointStatus struct {
	Name, Address string
	Weight        int
	Zone          string
	Remote        string // the address at the connection's far end, empty if that is not known
	// Active: it is the one that is picked, of a set that picks one at a time.
	Active        bool
	Priority      int
	Connection    connectivity.State
	ConnectionErr string
	NextTry       time.Time
	// State is what the endpoint is, Reason and Detail why, and Since since when.
	State  State
	Reason healthcheck.Reason
	Detail string
	Since  time.Time
	// Health is what its probes have found.
	Health   healthcheck.State
	Eligible bool
	FailOpen bool // picked all the same, because nobody is eligible
	Drained  bool
	Ejected  bool // or on trial after an ejection
	Checked  bool // false: health checking is off, a connection is enough
	Target   string
	Checker  healthcheck.CheckerStatus // zero unless Checked
	Counts   Counts
	// Heard is when it last answered a probe or a call, zero if it never has.
	Heard time.Time
	// Transitions are how often it came into which state, in order of their first,
	// and Ejections how often it was ejected.
	Transitions []TransitionCount
	Ejections   uint64
}

// Status gives a snapshot.
func (s *Set) Status() Status {
	now := time.Now()
	s.mu.Lock()
	out := Status{
		Policy: s.policy, Target: s.metrics.target, NoneSince: s.none, ListError: s.problem, Totals: s.totalsLocked(now),
		Zone: s.cfg.Zone, Local: s.local, Spilled: s.spilled,
		Endpoints: make([]EndpointStatus, 0, len(s.list)),
		Failover:  s.failoverLocked(),
	}
	open := s.openLocked() // in the order of the list
	checkers := make([]*healthcheck.Checker, 0, len(s.list))
	for _, e := range s.list {
		status := e.statusLocked()
		if len(open) > 0 && open[0] == e.conn {
			status.FailOpen, open = true, open[1:]
		}
		out.Endpoints = append(out.Endpoints, status)
		checkers = append(checkers, e.checker)
	}
	s.unlock()
	out.ProbesStretched = s.budget.Stretched(now)
	for i, c := range checkers { // a checker's lock may not be taken under ours
		if c != nil {
			out.Endpoints[i].Checked = true
			out.Endpoints[i].Checker = c.Status()
			out.Endpoints[i].heard(out.Endpoints[i].Checker.Last.Answered)
		}
	}
	return out
}

// heard takes in that the endpoint has answered at that time.
func (e *EndpointStatus) heard(at time.Time) {
	if at.After(e.Heard) {
		e.Heard = at
	}
}

func (e *endpoint) statusLocked() EndpointStatus {
	d := e.describeLocked()
	out := EndpointStatus{
		Name: e.name, Address: e.addressText(), Weight: e.weight, Zone: e.zone, Connection: e.connectivityLocked(),
		Active: e.set.choice != nil && e.set.choice.active == e, Priority: e.priority,
		State: d.state, Reason: d.reason, Detail: d.detail, Since: e.shownSince, Health: e.health.state,
		Eligible: e.class == eligible, Drained: e.drained, Ejected: e.ejection.phase != admitted, Target: e.targetText(), Counts: e.countsLocked(),
		Heard: e.heardAt, Transitions: slices.Clone(e.transitions), Ejections: e.ejections,
	}
	if remote := e.remoteLocked(); remote != nil {
		out.Remote = remote.String()
	}
	if e.link.phase != ready {
		out.ConnectionErr = healthcheck.CleanDetail(errorText(e.connErr))
	}
	if e.link.phase == waiting {
		out.NextTry = e.nextTry
	}
	if e.channel.failing && out.Health != healthcheck.Unhealthy {
		out.Health = healthcheck.Unhealthy
	}
	return out
}

func (e *endpoint) connectivityLocked() connectivity.State {
	switch e.link.phase {
	case ready:
		return connectivity.Ready
	case connecting:
		return connectivity.Connecting
	case closed:
		return connectivity.Shutdown
	default:
		return connectivity.TransientFailure
	}
}

// targetText says what is probed.
func (e *endpoint) targetText() string {
	switch {
	case e.healthCheck.Disabled:
		return "connectivity only"
	case e.target != nil:
		return e.target.text(e.service)
	default:
		return fmt.Sprintf("gRPC service %q on the calls' own connection", e.service)
	}
}

// WaitEligible waits until n endpoints are eligible, or ctx ends; then it gives
// the number that are, and an error that explains the others. Calls made after
// it has returned find what it has found.
func (s *Set) WaitEligible(ctx context.Context, n int) (int, error) {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		have, of, changed, stopped := s.counts[eligible], len(s.list), s.changed, s.closed
		pickable := s.pickableLocked()
		s.unlock()
		switch {
		case stopped:
			return 0, ErrClosed
		case have >= n && (pickable || n == 0):
			s.publish() //nolint:contextcheck // what it starts belongs to the set, not to the caller
			return have, nil
		case n > of && of > 0:
			return have, fmt.Errorf("cannot wait for %d healthy endpoints: the list has %d", n, of)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return have, fmt.Errorf("%d of %d endpoints are eligible, want %d: %s: %w",
				have, of, n, s.Explain().reasons(), ctx.Err())
		}
	}
}

// SetDrained takes the endpoint with this name out of rotation, or puts it back.
// It stays connected and probed; calls under way on it may finish, and calls
// made after SetDrained has returned heed it.
func (s *Set) SetDrained(name string, drained bool) error {
	if err := s.setDrained(name, drained); err != nil {
		return err
	}
	s.publish()
	return nil
}

func (s *Set) setDrained(name string, drained bool) error {
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		return ErrClosed
	}
	e := s.byName[name]
	if e == nil {
		return fmt.Errorf("no endpoint %q in the list", healthcheck.CleanDetail(name))
	}
	if err := s.drainLocked(name, drained); err != nil {
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
		s.keepLocked(n)
	}
	for _, x := range append([]*endpoint{e}, s.leaving...) {
		if x.name == name { // the endpoint, and what it is about to replace
			x.drained = drained
			x.settleLocked()
		}
	}
	s.dirtyLocked() // with FailOpen it matters even to one that is not eligible
	return nil
}
