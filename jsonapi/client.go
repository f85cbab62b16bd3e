package jsonapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// Client sends requests for one logical host to the endpoints of a service. It is an
// http.RoundTripper, and HTTP returns an http.Client that uses it. Its methods are safe
// for concurrent use.
type Client struct {
	pool      *pool
	creds     *transport.Credentials
	budget    *attempt.Budget
	onAttempt func(context.Context, AttemptEvent)
}

var _ http.RoundTripper = (*Client)(nil)

// New starts to probe the endpoints of cfg. It does not wait for any of them: requests
// wait, or the program calls WaitHealthy. The caller must close the client.
//
// The error reports every fault of cfg. Each fault is a *configerr.Error, which names the
// field, the value and what would be right. All faults are joined.
func New(cfg Config) (*Client, error) {
	s, err := cfg.settle()
	if err != nil {
		return nil, fmt.Errorf("jsonapi: %w", err)
	}
	creds := transport.New(nil)
	teller := telling.New(string(s.policy), s.target(), telling.NoRecorder())
	teller.LogTo(cfg.Logger)
	c := &Client{
		pool: newPool(s, creds, teller), creds: creds, onAttempt: cfg.OnAttempt,
		budget: attempt.NewBudget(cfg.RetryBudget.Share, cfg.RetryBudget.PerSecond),
	}
	if err := c.pool.update(s.servers); err != nil {
		c.pool.close()
		return nil, fmt.Errorf("jsonapi: %w", err)
	}
	c.pool.wg.Go(c.pool.search)
	c.pool.wg.Go(c.pool.watch)
	return c, nil
}

// target returns the name of the client in status and metrics.
func (s settled) target() string { return "http://" + s.logical.host + "/#" + s.name }

// HTTP returns an http.Client that sends its requests through c: to http://Host/..., and
// to no other host. It has no timeout: set one, or a deadline in each request's context.
func (c *Client) HTTP() *http.Client { return &http.Client{Transport: c} }

// BaseURL returns "http://" and the logical host.
func (c *Client) BaseURL() string { return "http://" + c.pool.cfg.logical.host }

// CloseIdleConnections closes the connections that no request uses. It is what
// http.Client.CloseIdleConnections calls.
func (c *Client) CloseIdleConnections() {
	c.pool.mu.Lock()
	all := c.pool.allLocked()
	c.pool.unlock()
	for _, e := range all {
		e.transport.CloseIdleConnections()
	}
}

// servers returns the current endpoints.
func (c *Client) servers() []server {
	c.pool.mu.Lock()
	defer c.pool.unlock()
	out := make([]server, 0, len(c.pool.list))
	for _, e := range c.pool.allLocked() {
		out = append(out, e.at)
	}
	return out
}

// Close ends all probes, and fails the requests in flight with ErrClosed. It may be called
// more than once. It always returns nil.
func (c *Client) Close() error {
	c.pool.close()
	return nil
}

// Update replaces the list of endpoints. Endpoints whose name and settings stay the same
// keep their connections, health and counts. Those that have left the list are picked
// until an endpoint of the new list is eligible. An invalid list is an error and an event,
// and changes nothing.
func (c *Client) Update(endpoints []Endpoint) error {
	servers, err := readServers(endpoints)
	if err == nil {
		err = c.pool.update(servers)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrClosed):
		return ErrClosed
	}
	c.pool.mu.Lock()
	defer c.pool.unlock()
	c.pool.emitLocked(report.Event{Kind: report.EventList, To: report.ListRefused, Detail: cleantext.Detail(err.Error()), At: time.Now()})
	return fmt.Errorf("jsonapi: %w", err)
}

// WaitHealthy waits until at least n endpoints are eligible and, with ActivePassive, one
// of them is active. If ctx ends first, the error is a *NoEligibleError that says why the
// others are not.
func (c *Client) WaitHealthy(ctx context.Context, n int) error {
	p := c.pool
	p.mu.Lock()
	of := len(p.list)
	p.unlock()
	if n < 1 || n > of {
		return fmt.Errorf("jsonapi: cannot wait for %d healthy endpoints; want 1 to %d, the length of the list", n, of)
	}
	for {
		p.mu.Lock()
		s := p.picks.Load()
		have := 0
		for _, e := range p.list {
			if e.was.Class == judge.Eligible {
				have++
			}
		}
		why := p.explainLocked()
		p.unlock()
		switch {
		case s.closed:
			return ErrClosed
		case have >= n && len(s.ready) > 0:
			return nil
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return noEligible(why, nil, context.Cause(ctx))
		}
	}
}

// Status returns a snapshot of the client and its endpoints, as of a gRPC client. Target
// is the logical host with the client's name, and State is READY if a request would find
// an endpoint.
func (c *Client) Status() report.Status {
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
		es.FailOpen = open && !es.Eligible && containsEndpoint(p.picks.Load().ready, e)
		s.Endpoints = append(s.Endpoints, es)
	}
	leaving := len(p.leaving)
	p.unlock()
	if !s.NoneEligibleSince.IsZero() {
		s.Totals.NoneEligibleTime += now.Sub(s.NoneEligibleSince)
	}
	retries := p.tally.Totals()
	s.Totals.Rescued, s.Totals.Retried, s.Totals.RetriesRefused = retries.Rescued, retries.Retried, retries.Refused
	for i, e := range list {
		if e.checker == nil {
			continue
		}
		s.Endpoints[i].Probe = e.checker.Status().Probe
		s.Endpoints[i].Probe.Target = e.readiness.Target()
	}
	s.Notes = c.notes(list, leaving, now)
	return s
}

func containsEndpoint(list []*endpoint, e *endpoint) bool {
	return slices.Contains(list, e)
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
	const most = 10
	more := 0
	for _, e := range list {
		switch err := c.creds.Problem(e.at.Endpoint); {
		case err == nil:
		case len(notes) >= most:
			more++
		default:
			notes = append(notes, fmt.Sprintf("endpoint %q: the previous content of its files stays in effect: %s",
				e.at.Name, cleantext.Detail(err.Error())))
		}
	}
	if more > 0 {
		notes = append(notes, fmt.Sprintf("the same applies to %d more endpoints", more))
	}
	return notes
}

// Events returns the newest events, up to 1,024, oldest first.
func (c *Client) Events() []report.Event { return c.pool.teller.Events() }

// Subscribe returns the client's events from now on, as cantonlb.Client.Subscribe does.
// The first batch is empty and arrives at once.
func (c *Client) Subscribe(ctx context.Context) iter.Seq[report.EventBatch] {
	reader := c.pool.teller.Follow()
	return func(yield func(report.EventBatch) bool) { telling.Batches(ctx, reader, report.EventBatch{}, yield) }
}

// SubscribeFrom is like Subscribe, except that it begins with the event of this number,
// or with the oldest one that is kept. With 0 or 1 it begins with all that are kept.
func (c *Client) SubscribeFrom(ctx context.Context, number uint64) iter.Seq[report.EventBatch] {
	reader := c.pool.teller.FollowFrom(number)
	return func(yield func(report.EventBatch) bool) {
		events, missed := reader.Read()
		telling.Batches(ctx, reader, report.EventBatch{Events: events, Missed: missed}, yield)
	}
}

// Drain takes the endpoint with this name out of rotation, for maintenance. Requests in
// flight on it may finish. With ActivePassive it returns a *cantonlb.RefusedError if no
// active endpoint would be left.
func (c *Client) Drain(name string) error { return c.setDrained(name, true) }

// Undrain puts the endpoint with this name back into rotation.
func (c *Client) Undrain(name string) error { return c.setDrained(name, false) }

func (c *Client) setDrained(name string, drained bool) error {
	p := c.pool
	p.mu.Lock()
	defer p.unlock()
	if p.closed {
		return ErrClosed
	}
	for _, e := range p.list {
		if e.at.Name != name {
			continue
		}
		if e.drained == drained {
			return nil
		}
		if p.choice != nil {
			kind := selector.EventUndrain
			if drained {
				kind = selector.EventDrain
			}
			if err := p.choice.state.Choose(selector.Event{Kind: kind, Name: name}); err != nil {
				return fmt.Errorf("jsonapi: %w", err)
			}
		}
		e.drained = drained
		e.applyLocked()
		return nil
	}
	return fmt.Errorf("jsonapi: no endpoint %q in the list", cleantext.Detail(name))
}

// Switch makes the endpoint with this name the active one, as cantonlb.Client.Switch does.
func (c *Client) Switch(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("jsonapi: switch %q: %w", cleantext.Detail(name), err)
	}
	return c.command(selector.EventSwitch, name)
}

// Pin makes the endpoint with this name the active one and allows no other to be active.
func (c *Client) Pin(name string) error { return c.command(selector.EventPin, name) }

// Unpin ends the pin, if there is one.
func (c *Client) Unpin() error { return c.command(selector.EventUnpin, "") }

func (c *Client) command(kind selector.Kind, name string) error {
	p := c.pool
	p.mu.Lock()
	defer p.unlock()
	switch {
	case p.closed:
		return ErrClosed
	case p.choice == nil:
		return fmt.Errorf("jsonapi: the policy %s has no active endpoint to choose; want the policy %s", p.cfg.policy, ActivePassive)
	}
	if err := p.choice.state.Choose(selector.Event{Kind: kind, Name: name}); err != nil {
		return fmt.Errorf("jsonapi: %w", err)
	}
	return nil
}

// Safety returns how often the client considers a request safe to be executed, as far as
// its method, its path and its header show it: SafetyResubmit is subject to its body.
func (c *Client) Safety(r *http.Request) Safety {
	path, err := c.pool.cfg.logical.path(r)
	if err != nil {
		return SafetyOnce
	}
	safety, _ := c.pool.cfg.classify.of(r, path)
	return safety
}

type endpointKey struct{}

// WithEndpoint returns a context with which requests are sent to the endpoint with this
// name alone, if it is eligible. An unknown name is an error of the request.
func WithEndpoint(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, endpointKey{}, name)
}

func endpointOf(ctx context.Context) string {
	name, _ := ctx.Value(endpointKey{}).(string)
	return cmp.Or(name, "")
}
