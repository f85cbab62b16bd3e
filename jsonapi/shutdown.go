package jsonapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// Shutdown ends the client gracefully: new requests fail with ErrClosed, connections that
// were upgraded, such as websockets, end with it at once, since most of them would never
// end by themselves, and other requests may finish, those that wait for an endpoint too,
// until the bodies of their responses have been read or closed. When all have ended, or
// ctx ends, Shutdown closes the client, as Close does. The error says how many requests
// did not finish and wraps that of ctx. Shutdown may be called more than once, and
// together with Close.
func (c *Client) Shutdown(ctx context.Context) error {
	c.pool.shut.Store(true)
	for pause := time.Millisecond; c.pool.busy() > 0 && sleep.For(ctx, pause); {
		pause = min(2*pause, mostShutdownPause)
	}
	n := c.pool.busy()
	err := c.Close() //nolint:contextcheck // it does not wait for requests
	if n > 0 && ctx.Err() != nil {
		return errors.Join(fmt.Errorf("jsonapi: shutdown: %d requests did not finish: %w", n, ctx.Err()), err)
	}
	return err
}

// mostShutdownPause is the longest pause between two looks at the requests in flight.
const mostShutdownPause = 20 * time.Millisecond

// enter counts a request whose response has not begun, unless the pool takes no more. The
// caller then calls leave.
func (p *pool) enter() bool {
	p.awaited.Add(1)
	if p.shut.Load() {
		p.leave()
		return false
	}
	return true
}

func (p *pool) leave() { p.awaited.Add(-1) }

// busy ends the connections that were upgraded, and returns how many requests have not
// finished: those without a response, and those whose response is being read. No new ones
// may be taken.
func (p *pool) busy() int {
	n := int(p.awaited.Load()) // first, so that a request whose response begins now is not missed
	p.mu.Lock()
	all := slices.Concat(p.list, p.leaving, p.retired)
	p.unlock()
	for _, e := range all {
		e.end(ErrClosed, func(f *flight) bool { return f.upgraded.Load() })
		n += len(e.flights.list(func(f *flight) bool { return f.phase.Load() == arriving }))
	}
	return n
}
