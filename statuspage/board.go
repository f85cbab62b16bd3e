package statuspage

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/history"
	"github.com/cantonlb/cantonlb/report"
)

// board is the client as the page shows it. Page.mu guards it.
type board struct {
	status report.Status
	// looked is when the status was taken, and took is how long that lasted.
	looked time.Time
	took   time.Duration
	// rendering is the time spent on rendering for live viewers since then.
	rendering time.Duration
	// version counts the looks, so that a viewer can be sent only what is new.
	version uint64

	rows   []*row // in the order of the list
	byName map[string]*row
	named  int // how many rows have been added so far

	events *event.Log[report.Event] // the newest
	leases leaseBoard
	shards shardBoard
}

// learn adds events.
func (b *board) learn(events []report.Event, now time.Time) {
	for _, e := range events {
		b.events.Append(e)
		switch e.Kind {
		case report.EventEndpoint:
			r := b.row(e.Endpoint)
			r.spans = r.spans.Add(history.Span{From: e.At, State: e.To, Reason: e.Reason, Passive: e.Passive}, now)
		case report.EventSwitch:
			b.use(e.Switch.From, history.Span{From: e.At, State: useStandby}, now)
			b.use(e.Switch.To, history.Span{From: e.At, State: useActive}, now)
		default: // the list of events holds them all
		}
	}
}

// use records that an endpoint became the active one, or no longer is.
func (b *board) use(name string, n history.Span, now time.Time) {
	if name != "" {
		r := b.row(name)
		r.use = r.use.Add(n, now)
	}
}

// row returns the row of the endpoint with this name, and adds it if there is none:
// an event may arrive before the status that lists its endpoint.
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

// look takes a new status.
func (b *board) look(source Source, leases []LeaseSource, shards []ShardSource) {
	began := time.Now()
	b.leases.look(leases)
	b.shards.look(shards)
	b.status, b.looked = source.Status(), began
	b.version++
	b.rendering = 0
	b.rows = b.rows[:0]
	keys := make([]string, 0, len(b.status.Endpoints))
	add := func(key string, e *report.EndpointStatus, replaced bool) {
		r := b.row(key)
		r.sample(&b.status, e, began)
		r.show(&b.status, e, replaced, began, b.version)
		b.rows, keys = append(b.rows, r), append(keys, key)
	}
	for i := range b.status.Leaving {
		b.leave(b.status.Leaving[i].Name)
	}
	listed := make(map[string]bool, len(b.status.Leaving)) // of the names of those that leave
	for i := range b.status.Leaving {
		listed[b.status.Leaving[i].Name] = false
	}
	for i := range b.status.Endpoints {
		e := &b.status.Endpoints[i]
		if _, leaves := listed[e.Name]; leaves {
			listed[e.Name] = true
		}
		add(e.Name, e, false)
	}
	for i := range b.status.Leaving {
		e := &b.status.Leaving[i]
		add(leavingKey(e.Name), e, listed[e.Name])
	}
	if len(b.byName) > len(b.rows) { // some have left the list
		clear(b.byName)
		for i, r := range b.rows {
			b.byName[keys[i]] = r
		}
	}
	b.took = time.Since(began)
}

// leave moves the row of an endpoint that has left the list, since an endpoint with the
// same name may be in the list now.
func (b *board) leave(name string) {
	key := leavingKey(name)
	if r := b.byName[name]; r != nil && b.byName[key] == nil {
		b.byName[key] = r
		delete(b.byName, name)
	}
}

// leavingKey returns the key of the row of an endpoint that has left the list. No
// endpoint has such a name.
func leavingKey(name string) string { return "leaving\n" + name }

// forget drops the rows rendered for the live viewers.
func (b *board) forget() {
	for _, r := range b.rows {
		r.html = ""
	}
}
