package statuspage

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

const (
	// sampleEvery is the time between two looks at the client, if nothing happens.
	sampleEvery = time.Second
	// leastPause is the time between two looks, whatever happens.
	leastPause = 100 * time.Millisecond
	// A look may take one part in so many of the time.
	idleShare    = 50
	watchedShare = 5
	// freshShare: a look that took a while is good for so many times as long, for
	// those who ask for the page meanwhile.
	freshShare = 10
	// maxViewers bounds how many follow the page live.
	maxViewers = 32
	// keptEvents is how many events the page lists.
	keptEvents = 50
)

// Page is the http.Handler that Handler makes. Its methods are safe for concurrent
// use.
type Page struct {
	source  Source
	title   string
	actions Actions // nil: none
	token   string  // what an action's form must hold
	epoch   string  // tells this Page's versions from another's

	ctx    context.Context //nolint:containedctx // the page's own life, which Close ends
	cancel context.CancelFunc
	wg     sync.WaitGroup
	poke   chan struct{} // capacity 1: an event has come

	// mu guards what follows. It comes before the locks of the source, and is never
	// held while a viewer is written to.
	mu      sync.Mutex
	board   board
	viewers int
	changed chan struct{} // closed after each look, then made anew
}

// Handler makes the page of a client and begins to follow it. It ends with the
// client, or with Close, which a server's shutdown needs, since live viewers keep
// their connections busy:
//
//	server.RegisterOnShutdown(page.Close)
//
// A page whose client has ended goes on to show it, and says so.
func Handler(source Source, options ...Option) *Page {
	p := &Page{
		source: source, title: "Endpoints", token: rand.Text(), epoch: rand.Text()[:8],
		poke: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for _, o := range options {
		o(p)
	}
	p.wg.Go(p.follow)
	p.wg.Go(p.sample)
	return p
}

// Close stops following the client and lets go of the live viewers. It may be
// called more than once.
func (p *Page) Close() {
	p.cancel()
	p.wg.Wait()
}

// ended tells whether the page follows the client no longer.
func (p *Page) ended() bool { return p.ctx.Err() != nil }

// follow takes in the client's events, until the client ends.
func (p *Page) follow() {
	defer func() {
		p.look() // the last, which every viewer is sent: they go when the page has ended
		p.cancel()
	}()
	first := true
	for batch := range p.source.Subscribe(p.ctx) {
		if first { // from here on none is missed, so these are all there were
			batch.Events, first = p.source.Events(), false
		}
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

// sample looks at the client again and again.
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

// look looks at the client, and says how long to leave it alone then: the longer,
// the more time this look and the viewers of the last one have taken.
func (p *Page) look() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	rendering := p.board.rendering
	p.lookLocked()
	if p.viewers > 0 {
		return (p.board.took + rendering) * watchedShare
	}
	return p.board.took * idleShare
}

func (p *Page) lookLocked() {
	p.board.look(p.source)
	close(p.changed)
	p.changed = make(chan struct{})
}

// glanceLocked is lookLocked for those who ask for the page: it need not be done
// for each of many that come at once.
func (p *Page) glanceLocked() {
	if b := &p.board; b.looked.IsZero() || time.Since(b.looked) > b.took*freshShare {
		p.lookLocked()
	}
}
