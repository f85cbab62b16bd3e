package jsonapi

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// update makes a list the current one. Endpoints that stay keep all that is known about
// them. Others leave once an endpoint of the new list can be picked.
func (p *pool) update(servers []server) error {
	made := make([]*endpoint, len(servers))
	var faults fault.List
	for i, s := range servers { // without the lock: files are read
		e, err := p.newEndpoint(s)
		faults.AddIn(fmt.Sprintf("endpoints[%d]", i), err)
		made[i] = e
	}
	if err := faults.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.unlock()
	if p.closed {
		return ErrClosed
	}
	old, oldLeaving := p.list, p.leaving
	p.list, p.leaving = nil, nil
	changed := len(old) != len(servers)
	for i, s := range servers {
		e := made[i]
		j := slices.IndexFunc(old, func(o *endpoint) bool { return o != nil && o.at.Name == s.Name && o.at.same(s) })
		if j >= 0 {
			e, old[j] = old[j], nil
			changed = changed || j != i || e.weight != max(1, s.Weight) || e.zone != s.Zone || e.priority != s.Priority
		} else {
			changed = true
			p.startLocked(e)
		}
		e.weight, e.zone, e.priority = max(1, s.Weight), s.Zone, s.Priority
		p.list = append(p.list, e)
	}
	for _, e := range slices.Concat(old, oldLeaving) {
		if e == nil {
			continue
		}
		if !e.unlisted {
			e.changedLocked(e.was.State, report.StateRemoved, judge.Why{})
			e.unlisted = true
		}
		p.leaving = append(p.leaving, e)
	}
	p.acceptedLocked(changed)
	p.choice.membersLocked()
	for _, e := range p.list {
		if e.was.State == "" {
			e.applyLocked()
		}
	}
	p.publishLocked()
	return nil
}

// kept reports that the newest list is the one that is in effect, which is an event if
// the list before it was refused.
func (p *pool) kept() {
	p.mu.Lock()
	defer p.unlock()
	p.acceptedLocked(false)
}

// acceptedLocked emits an event for a list that is in effect, if it has changed or if the
// newest one was refused.
func (p *pool) acceptedLocked(changed bool) {
	if changed || p.refusal {
		p.refusal = false
		p.emitLocked(report.Event{Kind: report.EventList, To: report.ListAccepted, At: time.Now()})
	}
}

// refused reports a list that is not valid as an event.
func (p *pool) refused(err error) {
	p.mu.Lock()
	defer p.unlock()
	p.refusal = true
	p.emitLocked(report.Event{Kind: report.EventList, To: report.ListRefused, Detail: cleantext.Detail(err.Error()), At: time.Now()})
}

// newEndpoint makes an endpoint, which does nothing until startLocked.
func (p *pool) newEndpoint(s server) (*endpoint, error) {
	if err := p.creds.CheckEndpoint(s.Endpoint); err != nil {
		return nil, err
	}
	e := &endpoint{pool: p, at: s, health: judge.Health{State: report.HealthUnknown}}
	var err error
	if e.transport, err = newTransport(p.cfg.model, p.creds, s.Endpoint); err != nil {
		return nil, err
	}
	if p.cfg.health.Disabled {
		e.health = judge.Health{State: report.Healthy, Why: judge.Why{Reason: report.ReasonConnected}}
		return e, nil
	}
	e.readiness, err = newReadiness(s, p.cfg, p.creds, e.payload.Load)
	if err != nil {
		return nil, err
	}
	e.checker = checking.New(s.Name, p.cfg.health.Settings(), checking.Options{
		Budget: p.probes, OnTransition: e.transition,
		OnVerdict: func(k report.ProbeKind, v report.Verdict, took time.Duration) {
			p.teller.Verdict(s.Name, k, v.Outcome, took)
		},
	})
	return e, nil
}

// startLocked starts an endpoint.
func (p *pool) startLocked(e *endpoint) {
	p.lastID++
	e.id = p.lastID
	ctx, cancel := context.WithCancel(p.ctx)
	e.stop = cancel
	if e.checker == nil {
		return
	}
	p.wg.Go(func() {
		probes := checking.Probes{Check: e.readiness}
		e.checker.Run(ctx, probes)
		_ = probes.Close() // closes connections; it has no error
	})
}

// settleHandoverLocked retires the endpoints that have left the list, once one of the new
// list may be picked or none ever will.
func (p *pool) settleHandoverLocked() {
	if len(p.leaving) == 0 {
		return
	}
	proven := slices.ContainsFunc(p.list, func(e *endpoint) bool { return e.was.Class == judge.Eligible })
	drained := !slices.ContainsFunc(p.list, func(e *endpoint) bool { return !e.drained })
	if !proven && !drained {
		return
	}
	left := p.leaving
	p.leaving = nil
	for _, e := range left {
		p.retireLocked(e)
	}
	p.choice.membersLocked()
}

// retireLocked ends an endpoint. Requests in flight on it may finish.
func (p *pool) retireLocked(e *endpoint) {
	e.stop()
	e.gone.Store(true)
	if e.ejection.Phase != machine.Admitted {
		p.anyEjected.Add(-1)
		e.ejection = machine.Ejection{}
	}
	if e.ejectionTimer != nil {
		e.ejectionTimer.Stop()
		e.ejectionTimer = nil
	}
	p.retired = slices.DeleteFunc(p.retired, func(o *endpoint) bool { return o.flights.len() == 0 })
	p.retired = append(p.retired, e)
	p.moveLocked(e, &cantonlb.MovedError{From: e.at.Name, Reason: report.ReasonLeftList})
	p.after = append(p.after, e.transport.CloseIdleConnections)
}

// moveLocked has upgraded connections of an endpoint ended after a while, unless the
// endpoint is active again by then.
func (p *pool) moveLocked(e *endpoint, why error) {
	drain := defaultDrain
	if p.cfg.Failover != nil {
		drain = p.cfg.Failover.Drain
	}
	if t := p.moves[e]; t != nil {
		t.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(drain, func() {
		p.mu.Lock()
		defer p.unlock()
		if p.moves[e] != t {
			return // overtaken
		}
		delete(p.moves, e)
		if !p.closed && !p.choice.isActive(e) {
			p.after = append(p.after, func() { e.end(why, func(f *flight) bool { return f.upgraded.Load() }) })
		}
	})
	p.moves[e] = t
}
