package jsonapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"sync"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/clientname"
	"github.com/cantonlb/cantonlb/internal/filestate"
	"github.com/cantonlb/cantonlb/internal/follow"
	"github.com/cantonlb/cantonlb/internal/judge"
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
	follower  follow.Follower // nil: no file is followed
	unfollow  sync.Once
	freeName  func() // ends the use of the client's name
}

var _ http.RoundTripper = (*Client)(nil)

// New starts to probe the endpoints of cfg. It does not wait for any of them: requests
// wait, or the program calls WaitHealthy. The caller must close the client.
//
// The error reports every fault of cfg. Each fault is a *configerr.Error, which names the
// field, the value and what would be right. All faults are joined.
func New(cfg Config, opts ...Option) (*Client, error) {
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
	var names []string
	for _, at := range c.servers() {
		names = append(names, at.Name)
	}
	c.freeName = clientname.Open(cfg.Logger, s.target(), names)
	c.pool.wg.Go(c.pool.search)
	c.pool.wg.Go(c.pool.watch)
	for _, o := range opts {
		if o.Start != nil {
			c.follower = o.Start(followed{c})
		}
	}
	c.pool.wg.Go(func() {
		filestate.Warn(c.pool.ctx, c.fileNotes, func(message string, a slog.Attr) { teller.Warn(message, a) })
	})
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

// Close ends all probes, and fails the requests in flight with ErrClosed; to let them
// finish, call Shutdown instead. It may be called more than once. It always returns nil.
func (c *Client) Close() error {
	c.freeName()
	var left string
	c.unfollow.Do(func() {
		if c.follower != nil {
			left = c.follower.Close()
		}
	})
	c.pool.close()
	c.pool.teller.Left([]string{left})
	return nil
}

// Update replaces the list of endpoints. Endpoints whose name and settings stay the same
// keep their connections, health and counts. Those that have left the list are picked
// until an endpoint of the new list is eligible. An invalid list is an error and an event,
// and changes nothing.
func (c *Client) Update(endpoints []Endpoint) error {
	err := c.update(endpoints)
	if err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("jsonapi: %w", err)
}

// update is Update, with an error that begins with the field.
func (c *Client) update(endpoints []Endpoint) error {
	servers, err := readServers(endpoints)
	if err == nil {
		err = c.pool.update(servers)
	}
	if err != nil {
		c.pool.refused(err)
	}
	return err
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

// Safety returns how often the client considers a request safe to be executed, as far as
// its method, its path and its header show it: SafetyResubmit is subject to its body.
func (c *Client) Safety(r *http.Request) Safety {
	if c.pool.cfg.logical.check(r) != nil {
		return SafetyOnce
	}
	safety, _ := c.pool.cfg.classify.of(r)
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
