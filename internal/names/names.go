package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// lookUpTimeout bounds a look-up. A dead name server costs five seconds.
	lookUpTimeout = 30 * time.Second
	// patience is how long a look-up is waited for if there is an earlier answer.
	patience = 50 * time.Millisecond
	// maxHosts bounds how many answers are kept.
	maxHosts = 20_000
)

// MaxAddresses bounds how many addresses of a name are used.
const MaxAddresses = 16

// ErrPending reports that a look-up had not ended when its context did. The look-up goes
// on, so that it is worth trying again at once.
var ErrPending = errors.New("the name server has not answered yet")

var errNoAddress = errors.New("the name has no address")

// Source answers look-ups, as *net.Resolver does.
type Source interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Resolver looks names up. Make it with New. It is safe for concurrent use.
type Resolver struct {
	source Source

	mu    sync.Mutex // no other lock is taken under it
	hosts map[string]*host
}

// host is what is known of one name. Resolver.mu guards it.
type host struct {
	answer []netip.Addr // the last good one; nil if there is none
	look   *look        // the look-up under way; nil if there is none
}

// look is one look-up. What is not a lock or channel is set before done is closed.
type look struct {
	cancel context.CancelFunc
	done   chan struct{}
	found  []netip.Addr
	err    error
	more   []func([]netip.Addr) // guarded by Resolver.mu: who waits for the answer after all
}

// New returns a Resolver that asks source; nil means the system's resolver.
func New(source Source) *Resolver {
	if source == nil {
		source = net.DefaultResolver
	}
	return &Resolver{source: source, hosts: make(map[string]*host)}
}

// Addresses returns the addresses of a name, in the order in which they are to be tried.
// An IP address is its own only address.
//
// If the look-up fails, or takes longer than 50 ms, the last good answer is returned. In
// the second case more, which may be nil, is called once the look-up succeeds, from
// another goroutine and without a lock. Without a good answer, Addresses waits until ctx
// ends, and then returns an error that wraps ErrPending and the context's error. The
// caller must not change the addresses.
func (r *Resolver) Addresses(ctx context.Context, name string, more func([]netip.Addr)) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{ip}, nil
	}
	before, l := r.begin(name) //nolint:contextcheck // the look-up is for other callers, too
	if before == nil {
		select {
		case <-l.done:
			return l.found, l.err
		case <-ctx.Done():
			return nil, fmt.Errorf("lookup %s: %w (%w)", name, ErrPending, ctx.Err())
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.done:
		if l.err == nil {
			return l.found, nil
		}
	case <-timer.C:
		r.wait(l, more)
	case <-ctx.Done():
	}
	return before, nil
}

// begin returns the last good answer, nil if there is none, and the look-up under way,
// which it starts if there is none.
func (r *Resolver) begin(name string) ([]netip.Addr, *look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[name]
	if h == nil {
		r.makeRoomLocked()
		h = new(host)
		r.hosts[name] = h
	}
	if h.look == nil {
		ctx, cancel := context.WithTimeout(context.Background(), lookUpTimeout)
		h.look = &look{cancel: cancel, done: make(chan struct{})}
		go r.run(ctx, name, h, h.look)
	}
	return h.answer, h.look
}

// makeRoomLocked forgets a name if there are too many.
func (r *Resolver) makeRoomLocked() {
	if len(r.hosts) < maxHosts {
		return
	}
	for name, h := range r.hosts {
		if h.look == nil {
			delete(r.hosts, name)
			return
		}
	}
}

// wait has more called with the answer of l, unless it has ended.
func (r *Resolver) wait(l *look, more func([]netip.Addr)) {
	if more == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-l.done:
	default:
		l.more = append(l.more, more)
	}
}

// run makes the look-up l of a name.
func (r *Resolver) run(ctx context.Context, name string, h *host, l *look) {
	defer l.cancel()
	found, err := r.source.LookupNetIP(ctx, "ip", name)
	found = tidy(found)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("lookup %s: %w", name, errNoAddress)
	}
	r.mu.Lock()
	if err == nil {
		h.answer = found
		l.found = found
	}
	l.err = err
	h.look = nil
	if h.answer == nil {
		delete(r.hosts, name) // nothing is known of it
	}
	more := l.more
	close(l.done)
	r.mu.Unlock()
	if err == nil {
		for _, f := range more {
			f(found)
		}
	}
}

// Stop calls off the look-ups under way, so that their goroutines end. Later ones are
// made as before.
func (r *Resolver) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hosts {
		if h.look != nil {
			h.look.cancel()
		}
	}
}

// tidy returns addresses in the order in which they are to be tried: without
// repetitions, and the families by turns, that of the first address first; at most
// MaxAddresses.
func tidy(list []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range list {
		a = a.Unmap()
		switch {
		case slices.Contains(first, a), slices.Contains(second, a):
		case len(first) == 0 || a.Is4() == first[0].Is4():
			first = append(first, a)
		default:
			second = append(second, a)
		}
	}
	out := make([]netip.Addr, 0, len(first)+len(second))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out[:min(len(out), MaxAddresses)]
}
