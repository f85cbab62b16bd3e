package modeltest

import (
	"fmt"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/lease/internal/machine"
	"github.com/cantonlb/cantonlb/lease/store"
)

const (
	ttl    = 10 * time.Second
	margin = time.Second
	renew  = ttl / 3
	poll   = 200 * time.Millisecond
	limit  = ttl / 5 // of a request
)

// maxDrift is how far, in millionths, a clock's rate may be from that of real time.
// Two clocks differ by less than margin/ttl then.
const maxDrift = 47_000

// clock is what a process or a store reads.
type clock struct {
	offset time.Duration
	drift  int64 // millionths
}

func (c clock) at(now time.Duration) time.Duration {
	return c.offset + now + now/1_000_000*time.Duration(c.drift)
}

// until returns a real time at which the clock shows at least the reading.
func (c clock) until(reading time.Duration) time.Duration {
	micros := (reading - c.offset) / time.Duration(1_000_000+c.drift) * 1_000_000
	for c.at(micros) < reading {
		micros += time.Microsecond
	}
	return micros
}

// process is one candidate and its work.
type process struct {
	clock   clock
	network network
	state   machine.State
	holder  string
	token   uint64 // of the work that runs
	wake    time.Duration

	running bool          // the work runs
	live    bool          // its context has not ended
	paused  bool          // by SIGSTOP, or with its machine; its clock goes on
	resumed bool          // it has been continued, and no timer has fired yet
	ends    time.Duration // when work that was told to end returns
	done    bool
}

// valid is what Lease.Valid says, were it called now.
func (p *process) valid(now time.Duration) bool {
	until, held := p.state.Until()
	return p.running && held && p.clock.at(now) < until
}

// network is what happens to the messages of a process.
type network uint8

const (
	prompt network = iota // they take some milliseconds
	slow                  // as long as a request may take, about
	late                  // much longer
	lossy                 // prompt, and half of them are lost
	cut                   // all are lost
	networks
)

// message is a request on its way to the store, or an answer on its way back.
type message struct {
	at      time.Duration // when it arrives
	to      *process      // whose request it is
	request machine.Request
	back    bool
	outcome machine.Outcome
	record  store.Record
}

// world is all processes, the store, and what is between them.
type world struct {
	t         *rapid.T
	real      time.Duration
	processes []*process
	messages  []message
	names     int

	down    bool // the store fails
	expires bool // the store removes records by itself, by a clock of its own
	clock   clock
	record  store.Record
	before  store.Record  // an earlier one
	renewed time.Duration // by the store's clock
	writes  int
	steps   int
	newest  uint64 // the token of the last work that was started
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, expires: rapid.Bool().Draw(t, "expires"), clock: drawClock(t)}
	w.record.Expires = w.expires
	w.before = w.record
	for range rapid.IntRange(2, 4).Draw(t, "processes") {
		w.processes = append(w.processes, w.newProcess())
	}
	return w
}

func drawClock(t *rapid.T) clock {
	return clock{
		offset: time.Duration(rapid.Int64Range(-int64(1000*time.Hour), int64(1000*time.Hour)).Draw(t, "offset")),
		drift:  rapid.SampledFrom([]int64{-maxDrift, -maxDrift / 2, 0, 1, maxDrift}).Draw(t, "drift"),
	}
}

func (w *world) newProcess() *process {
	w.names++
	p := &process{clock: drawClock(w.t), holder: fmt.Sprintf("p%d", w.names)}
	p.state = machine.New(machine.Params{
		Holder: p.holder, TTL: ttl, Margin: margin, Renew: renew, Poll: poll, Timeout: limit, Stuck: margin / 2,
	})
	p.wake = p.clock.at(w.real)
	return p
}

// step lets something happen to a process, and does what follows.
func (w *world) step(p *process, e machine.Event) {
	w.steps++
	e.At, e.Rand = p.clock.at(w.real), rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(w.t, "jitter")
	next, f := p.state.Next(e)
	p.state, p.wake, p.resumed = next, f.Wake, false
	if f.Wake <= e.At && !f.Finish {
		w.t.Fatalf("%s: wakes at once, again and again, in phase %d", p.holder, next.Phase())
	}
	if f.End != machine.WhyNone && p.live {
		p.live = false
		p.ends = w.real + rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond, margin, 5 * ttl}).Draw(w.t, "work ends")
	}
	if f.Start {
		if p.running {
			w.t.Fatalf("%s: work was started while work runs", p.holder)
		}
		p.running, p.live, p.token = true, true, next.Own().Token
		if p.token <= w.newest {
			w.t.Fatalf("%s: token %d after %d", p.holder, p.token, w.newest)
		}
		w.newest = p.token
	}
	if f.Request.Number != 0 {
		w.send(message{to: p, request: f.Request})
	}
	p.done = f.Finish
	if p.done && p.running {
		w.t.Fatalf("%s: it is over while its work runs", p.holder)
	}
	w.check()
}

// send sends a message over the network of its process.
func (w *world) send(m message) {
	m.at = w.real + time.Millisecond
	switch m.to.network {
	case prompt:
	case slow:
		m.at += time.Duration(rapid.IntRange(0, 10).Draw(w.t, "slow")) * limit / 10
	case late:
		m.at += time.Duration(rapid.IntRange(0, 30).Draw(w.t, "late")) * limit / 2
	case lossy:
		if rapid.Bool().Draw(w.t, "lost") {
			return
		}
	default:
		return
	}
	w.messages = append(w.messages, m)
}

// check looks at what must always hold.
func (w *world) check() {
	var live *process
	for _, p := range w.processes {
		if p.paused {
			continue
		}
		if p.valid(w.real) && (w.held().Holder != p.holder || w.held().Token != p.token) {
			w.t.Fatalf("%s acts with token %d, guarded by Valid; the lease is %+v", p.holder, p.token, w.record)
		}
		if !p.live || p.resumed {
			continue
		}
		if live != nil {
			w.t.Fatalf("the contexts of %s and %s are live", live.holder, p.holder)
		}
		live = p
	}
}

// held is the record as the store would show it.
func (w *world) held() store.Record {
	if w.expires && w.clock.at(w.real) >= w.renewed+w.record.TTL {
		w.record.Holder = ""
	}
	if w.expires && w.record.Free() {
		w.record.Version = "" // it is removed, and so like one that never was
	}
	return w.record
}

// notified is the record that comes with a notification: none, the present one, or the
// one of an earlier call.
func (w *world) notified() *store.Record {
	before, now := w.before, w.held()
	w.before = now
	return rapid.SampledFrom([]*store.Record{nil, &now, &before}).Draw(w.t, "now")
}

// serve has the store do what a request asks for.
func (w *world) serve(r machine.Request, holder string) (machine.Outcome, store.Record) {
	record := w.held()
	switch r.Kind {
	case machine.Read:
		return machine.OK, record
	case machine.Acquire:
		if record.Version != r.Record.Version {
			return machine.Conflict, store.Record{}
		}
		if w.expires && !record.Free() && record.Holder != holder {
			w.t.Fatalf("%s acquires what only the store may remove", holder)
		}
		w.record.Holder, w.record.TTL = holder, ttl
		w.record.Token++
	case machine.Renew, machine.Release:
		if record.Holder != r.Record.Holder || record.Token != r.Record.Token {
			return machine.Conflict, store.Record{}
		}
		if r.Kind == machine.Release {
			w.record.Holder = ""
		}
	}
	w.renewed = w.clock.at(w.real)
	if !w.expires || r.Kind != machine.Renew {
		w.writes++
		w.record.Version = strconv.Itoa(w.writes)
	}
	return machine.OK, w.held()
}

// arrive has a message arrive: at the store, or at its process.
func (w *world) arrive(i int) {
	m := w.messages[i]
	w.messages = append(w.messages[:i:i], w.messages[i+1:]...)
	switch {
	case m.back:
		w.step(m.to, machine.Event{Kind: machine.Answered, Number: m.request.Number, Outcome: m.outcome, Record: m.record})
		return
	case w.down:
		m.outcome = machine.Failed
	default:
		m.outcome, m.record = w.serve(m.request, m.to.holder)
		w.check()
	}
	m.back = true
	w.send(m)
}

// advance lets time pass, has the timers of those who run fire, messages arrive, and
// work return.
func (w *world) advance(d time.Duration) {
	for end := w.real + d; ; {
		at, happens := end, func() {}
		sooner := func(due time.Duration, do func()) {
			if due = max(due, w.real); due < at {
				at, happens = due, do
			}
		}
		for _, p := range w.processes {
			if p.paused || p.done || p.resumed {
				continue
			}
			sooner(p.clock.until(p.wake), func() { w.step(p, machine.Event{Kind: machine.Tick}) })
			if p.running && !p.live {
				sooner(p.ends, func() { w.workReturns(p) })
			}
		}
		for i, m := range w.messages {
			if !m.back || (!m.to.paused && !m.to.done) {
				sooner(m.at, func() { w.arrive(i) })
			}
		}
		w.real = at
		w.check()
		if at == end {
			return
		}
		happens()
	}
}

func (w *world) workReturns(p *process) {
	p.running, p.live = false, false
	w.step(p, machine.Event{Kind: machine.WorkReturned})
}
