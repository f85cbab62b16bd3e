package statuspage

import (
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/history"
	"github.com/cantonlb/cantonlb/report"
)

// board is the client as the page shows it. Page.mu guards it.
type board struct {
	status report.Status
	// looked is when the status was taken, and took how long that lasted.
	looked time.Time
	took   time.Duration
	// rendering is how long the live viewers have kept it busy since then.
	rendering time.Duration
	// version counts the looks, so that a viewer can be sent what is new.
	version uint64

	rows   []*row // in the order of the list
	byName map[string]*row
	named  int // how many rows there have been

	events []report.Event // the newest, oldest first
}

// learn takes in events, each once however often it is told.
func (b *board) learn(events []report.Event, now time.Time) {
	newest := uint64(0)
	if n := len(b.events); n > 0 {
		newest = b.events[n-1].Number
	}
	for _, e := range events {
		if e.Number <= newest {
			continue
		}
		b.events = append(b.events, e)
		switch e.Kind {
		case report.EventEndpoint:
			r := b.row(e.Endpoint)
			r.spans = r.spans.Add(history.Span{From: e.At, State: e.To, Reason: e.Reason}, now)
		case report.EventSwitch:
			b.use(e.Switch.From, history.Span{From: e.At, State: useStandby}, now)
			b.use(e.Switch.To, history.Span{From: e.At, State: useActive}, now)
		default: // the list of events has them all
		}
	}
	if extra := len(b.events) - keptEvents; extra > 0 {
		b.events = slices.Delete(b.events, 0, extra)
	}
}

// use notes that an endpoint became the active, or ceased to be it.
func (b *board) use(name string, n history.Span, now time.Time) {
	if name != "" {
		r := b.row(name)
		r.use = r.use.Add(n, now)
	}
}

// row gives the row of the endpoint with this name, a new one if there is none:
// an event may come before the status that has its endpoint.
func (b *board) row(name string) *row {
	r := b.byName[name]
	if r == nil {
		if b.byName == nil {
			b.byName = map[string]*row{}
		}
		r = newRow(b.named)
		b.named++
		b.byName[name] = r
	}
	return r
}

// look takes the status anew.
func (b *board) look(source Source) {
	began := time.Now()
	b.status, b.looked = source.Status(), began
	b.version++
	b.rendering = 0
	b.rows = b.rows[:0]
	for i := range b.status.Endpoints {
		e := &b.status.Endpoints[i]
		r := b.row(e.Name)
		r.sample(&b.status, e, began)
		r.show(&b.status, e, began, b.version)
		b.rows = append(b.rows, r)
	}
	if len(b.byName) > len(b.rows) { // some have left the list
		clear(b.byName)
		for i, r := range b.rows {
			b.byName[b.status.Endpoints[i].Name] = r
		}
	}
	b.took = time.Since(began)
}

// forget drops what was remembered for the live viewers.
func (b *board) forget() {
	for _, r := range b.rows {
		r.html = ""
	}
}
