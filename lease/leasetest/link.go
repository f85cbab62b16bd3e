package leasetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease/store"
)

// ErrFault is the error of a request that a fault of a Link has made fail.
var ErrFault = errors.New("leasetest: fault")

// Link is one candidate's way to a store, with faults that are method calls. They
// hold for what is asked from then on. Its methods are safe for concurrent use.
type Link struct {
	store store.Store

	// mu guards what follows. Nothing foreign is called under it.
	mu       sync.Mutex
	cut      chan struct{} // closed when the link is healed; nil if it is whole
	fails    error
	mute     int // answers still to lose
	latency  time.Duration
	requests int
	changed  chan struct{} // closed and replaced when a fault changes
}

var _ store.Watcher = (*Link)(nil)

// Link returns another way to the store.
func (s *Store) Link() *Link { return NewLink(s) }

// NewLink returns a way to any store, to add faults to it.
func NewLink(s store.Store) *Link { return &Link{store: s, changed: make(chan struct{})} }

// Cut has requests wait until their contexts end, like a network that drops all.
// A watch ends.
func (l *Link) Cut() {
	l.set(func() {
		if l.cut == nil {
			l.cut = make(chan struct{})
		}
	})
}

// Fail has requests fail at once, without effect, like a database that is down. A
// watch ends.
func (l *Link) Fail() { l.set(func() { l.fails = ErrFault }) }

// Heal ends Cut, Fail, LoseAnswers and SetLatency. Requests that wait go on.
func (l *Link) Heal() {
	l.set(func() {
		if l.cut != nil {
			close(l.cut)
		}
		l.cut, l.fails, l.mute, l.latency = nil, nil, 0, 0
	})
}

// LoseAnswers has the next n requests take effect, and fail.
func (l *Link) LoseAnswers(n int) { l.set(func() { l.mute = n }) }

// SetLatency delays each request, half of it before it takes effect and half after.
func (l *Link) SetLatency(d time.Duration) { l.set(func() { l.latency = d }) }

// Requests returns how many requests were made, without Watch.
func (l *Link) Requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests
}

func (l *Link) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Read is that of store.Store.
func (l *Link) Read(ctx context.Context, name string) (r store.Record, err error) {
	err = l.do(ctx, func() (err error) { r, err = l.store.Read(ctx, name); return err })
	return r, err
}

// Acquire is that of store.Store.
func (l *Link) Acquire(ctx context.Context, name, holder string, ttl time.Duration, seen store.Record) (r store.Record, err error) {
	err = l.do(ctx, func() (err error) { r, err = l.store.Acquire(ctx, name, holder, ttl, seen); return err })
	return r, err
}

// Renew is that of store.Store.
func (l *Link) Renew(ctx context.Context, name string, own store.Record) (r store.Record, err error) {
	err = l.do(ctx, func() (err error) { r, err = l.store.Renew(ctx, name, own); return err })
	return r, err
}

// Release is that of store.Store.
func (l *Link) Release(ctx context.Context, name string, own store.Record) error {
	return l.do(ctx, func() error { return l.store.Release(ctx, name, own) })
}

// do makes a request with the faults of the link.
func (l *Link) do(ctx context.Context, request func() error) error {
	l.mu.Lock()
	cut, fails, latency := l.cut, l.fails, l.latency
	l.requests++
	lost := l.mute > 0 && cut == nil && fails == nil
	if lost {
		l.mute--
	}
	l.mu.Unlock()
	if cut != nil {
		select {
		case <-cut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fails != nil {
		return fails
	}
	if err := sleep.Context(ctx, latency/2); err != nil {
		return err
	}
	err := request()
	if late := sleep.Context(ctx, latency/2); late != nil {
		return late
	}
	if lost {
		return ErrFault
	}
	return err
}

// Watch is that of store.Watcher; of a store that is none the error is
// errors.ErrUnsupported.
func (l *Link) Watch(ctx context.Context, name string, changed func(now *store.Record)) error {
	w, ok := l.store.(store.Watcher)
	if !ok {
		return errors.ErrUnsupported
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	if l.broken() {
		return ErrFault
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			l.mu.Lock()
			change := l.changed
			l.mu.Unlock()
			if l.broken() {
				cancel(ErrFault)
				return
			}
			select {
			case <-change:
			case <-ctx.Done():
			}
		}
	})
	if err := w.Watch(ctx, name, changed); ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

func (l *Link) broken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut != nil || l.fails != nil
}
