package jsonapi

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/filestate"
	"github.com/cantonlb/cantonlb/report"
)

// Status returns a snapshot of the client and its endpoints, as of a gRPC client. Target
// is the logical host with the client's name, and State is READY if a request would find
// an endpoint.
func (c *Client) Status() report.Status {
	var file *report.FileStatus
	if c.follower != nil {
		f := c.follower.Status() // read first, so that the endpoints are at least as new
		file = &f
	}
	p, now := c.pool, time.Now()
	p.mu.Lock()
	s := report.Status{
		At: now, Policy: string(p.cfg.policy), Target: p.cfg.target(), State: connectivity.Ready, NoneEligibleSince: p.none,
		Failover: p.choice.statusLocked(), Zone: p.cfg.Zone, Spilled: p.spilled, Totals: p.totals,
	}
	if len(p.picks.Load().ready) == 0 {
		s.State = connectivity.TransientFailure
	}
	open := p.cfg.NoneEligible == failOpen && !p.none.IsZero()
	list := p.list
	for _, e := range list {
		es := e.statusLocked()
		es.FailOpen = open && !es.Eligible && slices.Contains(p.picks.Load().ready, e)
		s.Endpoints = append(s.Endpoints, es)
	}
	leaving := len(p.leaving)
	p.unlock()
	if !s.NoneEligibleSince.IsZero() {
		s.Totals.NoneEligibleTime += now.Sub(s.NoneEligibleSince)
	}
	retries := p.tally.Totals()
	s.Totals.Rescued, s.Totals.Retried, s.Totals.RetriesRefused = retries.Rescued, retries.Retried, retries.Refused
	s.Totals.Hedged, s.Totals.HedgesWon, s.Totals.HedgesRefused = retries.Hedged, retries.HedgesWon, retries.HedgesRefused
	for i, e := range list {
		if e.checker == nil {
			continue
		}
		s.Endpoints[i].Probe = e.checker.Status().Probe
		s.Endpoints[i].Probe.Target = e.readiness.Target()
	}
	s.Notes = c.notes(list, leaving, now)
	if s.File = file; file != nil {
		s.Notes = append(s.Notes, filestate.Notes(*file)...)
	}
	return s
}

// notes describes unexpected conditions.
func (c *Client) notes(list []*endpoint, leaving int, now time.Time) []string {
	var notes []string
	if c.pool.cfg.health.Disabled {
		notes = append(notes, "health checking is off: an endpoint that hangs is not noticed")
	}
	if c.pool.probes.Stretched(now) {
		notes = append(notes, "probes are made less often than configured, since there are many endpoints")
	}
	if leaving > 0 {
		notes = append(notes, fmt.Sprintf("%d endpoints that have left the list are picked until one of the new list is eligible", leaving))
	}
	return append(notes, filestate.EndpointNotes(c.creds.Problem, endpointsOf(list))...)
}

// endpointsOf returns the endpoints as the list has them.
func endpointsOf(list []*endpoint) []Endpoint {
	out := make([]Endpoint, 0, len(list))
	for _, e := range list {
		out = append(out, e.at.Endpoint)
	}
	return out
}

// fileNotes returns the notes on all files whose last content stays in effect.
func (c *Client) fileNotes() []string {
	c.pool.mu.Lock()
	list := endpointsOf(c.pool.list)
	c.pool.unlock()
	notes := filestate.EndpointNotes(c.creds.Problem, list)
	if c.follower != nil {
		notes = append(notes, filestate.Lost(c.follower.Status().Path)...)
	}
	return notes
}
