package statuspage

import (
	"slices"
	"time"
)

const (
	// maxViewers bounds how many viewers follow the page live.
	maxViewers = 32
	// minStay is how long a viewer follows the page before it makes room for another
	// one. A browser reconnects by itself a second later.
	minStay = 10 * time.Second
)

// place is a viewer's place.
type place struct {
	since time.Time
	lost  chan struct{} // closed when another viewer has taken it
}

// enter returns a place for a viewer, or nil if there is none. If all are taken, the
// viewer that has followed the page for longest loses its place: whether a viewer
// reads what is sent to it cannot be known.
func (p *Page) enter() *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if len(p.viewers) == maxViewers {
		oldest := p.viewers[0]
		if now.Sub(oldest.since) < minStay {
			return nil
		}
		close(oldest.lost)
		p.viewers = slices.Delete(p.viewers, 0, 1)
	}
	v := &place{since: now, lost: make(chan struct{})}
	p.viewers = append(p.viewers, v) // so they are in the order of their arrival
	p.glanceLocked()
	return v
}

// leave returns a place.
func (p *Page) leave(v *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.viewers, v); i >= 0 {
		p.viewers = slices.Delete(p.viewers, i, i+1)
	}
	if len(p.viewers) == 0 {
		p.board.forget()
	}
}
