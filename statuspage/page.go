package statuspage

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/report"
)

const (
	// sampleEvery is the time between two looks at the client, if nothing happens.
	sampleEvery = time.Second
	// leastPause is the time between two looks, whatever happens.
	leastPause = 100 * time.Millisecond
	// idleShare bounds the cost of looks: they take at most one part in idleShare of
	// the time.
	idleShare    = 50
	watchedShare = 5
	// freshShare is how many times its own duration a look stays valid for requests
	// that arrive in the meantime.
	freshShare = 10
	// keptEvents is how many events the page lists; at most a quarter of them are
	// suspicions if there are others to list.
	keptEvents = 300
)

// Page is the http.Handler that Handler returns. Its methods are safe for
// concurrent use.
type Page struct {
	source  Source
	title   string
	actions Actions         // nil: none
	hosts   map[string]bool // under which there are buttons, besides those of trusted
	token   string          // the token that an action's form must contain
	epoch   string          // distinguishes this Page's versions from another's

	leases []LeaseSource
	shards []ShardSource
	bare   bool     // there is no client: the page has leases or shards alone
	more   []Source // further clients
	name   string   // of this client among several, "" if there is only one
	family []*Page  // the pages of all clients, this one's first; nil if there is only one
	line   atomic.Pointer[clientLine]

	ctx    context.Context //nolint:containedctx // the page's own life, which Close ends
	cancel context.CancelFunc
	wg     sync.WaitGroup
	poke   chan struct{} // capacity 1: an event has arrived

	// mu guards the fields below. It is acquired before the locks of the source, and
	// is never held during a write to a viewer.
	mu      sync.Mutex
	board   board
	viewers []*place      // in the order of their arrival
	changed chan struct{} // closed and replaced after each look
}

// Handler returns the page of a client and starts following the client. The page
// ends with the client, or with Close. A server's shutdown needs Close, since live
// viewers keep their connections busy:
//
//	server.RegisterOnShutdown(page.Close)
//
// After the client has ended, the page continues to show its last state and says
// that it is closed. A program that has leases or shards and no client passes nil as the
// source, and the option WithLeases or WithShards.
func Handler(source Source, options ...Option) *Page {
	bare := source == nil
	if bare {
		source = noClient{}
	}
	p := newPage(source, "")
	p.bare = bare
	for _, o := range options {
		o(p)
	}
	p.title = cmp.Or(p.title, p.defaultTitle())
	if len(p.more) > 0 {
		p.adopt()
	}
	p.start()
	return p
}

func (p *Page) defaultTitle() string {
	switch {
	case !p.bare:
		return "Endpoints"
	case p.hasLeases():
		return "Leases"
	default:
		return "Shards"
	}
}

// hasLeases reports whether the page shows leases.
func (p *Page) hasLeases() bool { return len(p.leases) > 0 || p.bare && len(p.shards) == 0 }

// newPage returns the page of one client, which does not follow the client yet.
func newPage(source Source, title string) *Page {
	p := &Page{
		source: source, title: title, token: rand.Text(), epoch: rand.Text()[:8],
		poke: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	p.board.events = event.NewMixedLog(keptEvents, report.Event.IsSuspicion)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

func (p *Page) start() {
	p.wg.Go(p.follow)
	p.wg.Go(p.sample)
}

// Close stops following the client and disconnects the live viewers. It may be
// called more than once.
func (p *Page) Close() {
	all := append(slices.Clip(p.family), p) // one without further clients has no family
	for _, q := range all {
		q.cancel()
	}
	for _, q := range all {
		q.wg.Wait()
	}
}

// ended reports whether the page has stopped following the client.
func (p *Page) ended() bool { return p.ctx.Err() != nil }

// follow reads the client's events until the client ends.
func (p *Page) follow() {
	defer func() {
		p.look() // the last look, which is sent to every viewer before the page ends
		p.cancel()
	}()
	for batch := range p.source.SubscribeFrom(p.ctx, 1) {
		p.learn(batch.Events)
		select {
		case p.poke <- struct{}{}:
		default:
		}
	}
}

func (p *Page) learn(events []report.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board.learn(events, time.Now())
}

// sample looks at the client repeatedly.
func (p *Page) sample() {
	for {
		least := max(leastPause, p.look())
		if !p.sleep(least) {
			return
		}
		select {
		case <-p.ctx.Done():
			return
		case <-p.poke:
		case <-time.After(sampleEvery - least):
		}
	}
}

func (p *Page) sleep(d time.Duration) bool {
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// look looks at the client and returns how long to pause afterwards. The pause
// grows with the time that this look and the viewers of the last one have taken.
func (p *Page) look() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	rendering := p.board.rendering
	p.lookLocked()
	if len(p.viewers) > 0 {
		return (p.board.took + rendering) * watchedShare
	}
	return p.board.took * idleShare
}

func (p *Page) lookLocked() {
	p.board.look(p.source, p.leases, p.shards)
	p.line.Store(p.lineLocked())
	close(p.changed)
	p.changed = make(chan struct{})
}

// glanceLocked is lookLocked for a request for the page. It does nothing if the
// last look is recent enough.
func (p *Page) glanceLocked() {
	if b := &p.board; b.looked.IsZero() || time.Since(b.looked) > b.took*freshShare {
		p.lookLocked()
	}
}
