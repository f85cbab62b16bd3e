package jsonapi

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// endpoint is one server of the pool.
type endpoint struct {
	pool      *pool
	id        int
	at        server // its Weight, Zone and Priority may be outdated
	transport *http.Transport
	readiness *readiness        // nil if probing is off
	checker   *checking.Checker // nil if probing is off
	stop      context.CancelFunc
	flights   flights

	// Requests count here without a lock.
	picked, heard, failed atomic.Uint64
	payload               atomic.Uint64 // headers and pieces of bodies that have arrived
	streak                atomic.Int64  // failures in a row
	trial                 atomic.Bool   // one request may try the endpoint, which is ejected
	gone                  atomic.Bool   // it is retired, or the pool is closed: no connection stays idle

	// The pool's mu guards what follows.
	weight, priority int
	zone             string
	unlisted         bool // it is not in the list, or no longer
	health           judge.Health
	drained          bool
	ejection         machine.Ejection
	ejectionTimer    *time.Timer
	ejections        uint64
	was              judge.Judgement
	since            time.Time
	transitions      []report.TransitionCount
	silence          machine.Silence
	sampled          uint64    // the payload at the last sample
	payloadAt        time.Time // the last sample with another one than before
}

// heardAtLocked returns when the endpoint last showed a sign of life: a piece of a
// response, or an answer to a probe, whatever it was.
func (e *endpoint) heardAtLocked() time.Time {
	if e.readiness == nil {
		return e.payloadAt
	}
	if at := e.readiness.alive.Load(); at != nil && at.After(e.payloadAt) {
		return *at
	}
	return e.payloadAt
}

// factsLocked collects what is known about the endpoint.
func (e *endpoint) factsLocked() judge.Facts {
	f := judge.Facts{
		Drained: e.drained, Link: judge.Connected, Health: e.health, Channel: judge.Passing,
		Evidence: evidences[e.ejection.Phase], Memory: e.was.Memory,
	}
	if e.unlisted {
		f.Membership = judge.Leaving
	}
	switch {
	case e.health.State == report.HealthUnknown:
		f.Link = judge.Connecting
	case e.unreachable():
		f.Link, f.LinkWhy = judge.Waiting, e.health.Why
	}
	return f
}

var evidences = [...]judge.Evidence{machine.Admitted: judge.Admitted, machine.Ejected: judge.Ejected, machine.OnTrial: judge.OnTrial}

// unreachable reports whether the last attempts to connect have failed.
func (e *endpoint) unreachable() bool {
	return e.health.State == report.Unhealthy && e.health.Detail != "" &&
		(e.health.Reason == report.ReasonConnectFailed || e.health.Reason == report.ReasonHandshakeFailed)
}

// applyLocked judges the endpoint again and carries out the difference. It is called once
// for each cause.
func (e *endpoint) applyLocked() {
	p, was := e.pool, e.was
	is := judge.Judge(e.factsLocked())
	e.was = is
	e.tellLocked(was)
	if is.Sick && !was.Sick {
		p.after = append(p.after, e.transport.CloseIdleConnections) // which may be dead
	}
	e.trial.Store(e.ejection.Phase == machine.OnTrial && is.Serves)
	p.choice.observeLocked(e, was)
	if is.Class != was.Class || is.Sick != was.Sick || e.ejection.Phase == machine.OnTrial {
		p.publishLocked()
	}
}

// tellLocked emits an event for a change of the endpoint's state.
func (e *endpoint) tellLocked(was judge.Judgement) {
	is := e.was
	if e.unlisted || is.State == was.State && (is.State != report.StateConnecting || is.Reason == was.Reason) {
		return
	}
	e.changedLocked(was.State, is.State, is.Why)
}

func (e *endpoint) changedLocked(from, to report.EndpointState, why judge.Why) {
	event := report.Event{
		Kind: report.EventEndpoint, Endpoint: e.at.Name, From: from, To: to, Reason: why.Reason, Detail: why.Detail, At: time.Now(),
	}
	if from != "" {
		event.Held = event.At.Sub(e.since)
	}
	if from != to {
		e.since = event.At
	}
	e.countLocked(to, why.Reason.Bounded())
	e.pool.emitLocked(event)
}

func (e *endpoint) countLocked(to report.EndpointState, reason report.Reason) {
	for i := range e.transitions {
		if t := &e.transitions[i]; t.To == to && t.Reason == reason {
			t.Count++
			return
		}
	}
	e.transitions = append(e.transitions, report.TransitionCount{To: to, Reason: reason, Count: 1})
}

// transition is called by the checker when the endpoint's health changes.
func (e *endpoint) transition(t checking.Transition) {
	e.pool.mu.Lock()
	defer e.pool.unlock()
	if e.pool.closed {
		return
	}
	e.health = judge.Health{State: t.To, Why: judge.Why{Reason: t.Reason, Detail: t.Detail}}
	e.applyLocked()
}

// doubt makes the endpoint suspect, and has it probed at once.
func (e *endpoint) doubt(r report.Reason) {
	if e.checker != nil {
		e.checker.Doubt(r)
	}
}

// answeredWell notes a response that is no evidence against the endpoint. trial says that
// its request was to show whether the endpoint works again.
func (e *endpoint) answeredWell(trial bool) {
	e.heard.Add(1)
	if e.streak.Load() != 0 {
		e.streak.Store(0)
	}
	if trial {
		e.eject(machine.CallAnswered)
	}
}

// failedBadly notes a request that the endpoint has failed.
func (e *endpoint) failedBadly(trial bool) {
	e.failed.Add(1)
	n := e.streak.Add(1)
	switch {
	case trial:
		e.eject(machine.CallFailed)
	case n >= int64(e.pool.cfg.Ejection.ConsecutiveFailures):
		e.eject(machine.CallsFail)
	}
}

// eject moves the ejection.
func (e *endpoint) eject(event machine.EjectionEvent) {
	e.pool.mu.Lock()
	defer e.pool.unlock()
	if event == machine.CallsFail && !e.pool.canSpareLocked(e) {
		return
	}
	e.ejectLocked(event)
}

func (e *endpoint) ejectLocked(event machine.EjectionEvent) {
	p, was, now := e.pool, e.ejection, time.Now()
	if p.closed {
		return
	}
	limits := machine.EjectionLimits{Base: p.cfg.Ejection.BaseTime, Most: p.cfg.Ejection.MaxTime, U: rand.Float64()}
	e.ejection = was.Next(event, now, limits)
	if p.choice != nil && e.ejection.Phase == machine.OnTrial { // a standby gets no requests that could try it
		e.ejection = e.ejection.Next(machine.CallAnswered, now, limits)
	}
	if e.ejection == was {
		return
	}
	if e.ejectionTimer != nil {
		e.ejectionTimer.Stop()
		e.ejectionTimer = nil
	}
	out := func(x machine.Ejection) int64 {
		if x.Phase == machine.Admitted {
			return 0
		}
		return 1
	}
	p.anyEjected.Add(out(e.ejection) - out(was))
	if e.ejection.Phase == machine.Ejected {
		e.ejections++
		p.teller.Ejection(e.at.Name)
	}
	if e.ejection.Phase == machine.Admitted {
		e.streak.Store(0)
	} else {
		var t *time.Timer
		t = time.AfterFunc(e.ejection.Until.Sub(now), func() {
			p.mu.Lock()
			defer p.unlock()
			if e.ejectionTimer == t {
				e.ejectLocked(machine.TimeIsUp)
			}
		})
		e.ejectionTimer = t
	}
	e.applyLocked()
}

// statusLocked returns the endpoint's status, without what its checker knows.
func (e *endpoint) statusLocked() report.EndpointStatus {
	is := e.was
	out := report.EndpointStatus{
		Name: e.at.Name, Address: e.at.page(""), Weight: e.weight, Zone: e.zone, Priority: e.priority,
		Active: e.pool.choice.isActive(e), Eligible: is.Class == judge.Eligible, Drained: e.drained,
		Ejected: e.ejection.Phase != machine.Admitted, State: is.State, Reason: is.Reason, Detail: is.Detail, Since: e.since,
		Health: is.Health, Connection: connectivity.Ready, Heard: e.heardAtLocked(), Ejections: e.ejections,
		Transitions: append([]report.TransitionCount(nil), e.transitions...),
		Probe:       report.ProbeStatus{Target: "nothing: probing is off", Kind: report.KindConnectivity},
		Calls: report.CallStats{
			Picked: e.picked.Load(), InFlight: uint64(e.flights.len()), Heard: e.heard.Load(), Failed: e.failed.Load(),
		},
	}
	switch {
	case is.State == report.StateConnecting && e.unreachable():
		out.Connection, out.ConnectionError = connectivity.TransientFailure, e.health.Detail
	case is.State == report.StateConnecting:
		out.Connection = connectivity.Connecting
	}
	return out
}
