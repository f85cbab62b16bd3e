package modeltest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/lease/internal/machine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// steps is how many steps of state machines are taken in a world; rapid makes 100
// worlds by default.
const steps = 1000

// takeover is how long it may take, with a store that answers at once, until one of
// those who run has the lease: a TTL by the slowest clock after the last renewal, a
// period of reading, and one request that was under way when the store began to answer.
const takeover = ttl*105/100 + renew*105/100 + limit*105/100 + 2*poll

// While both run, no two contexts are live; an action guarded by Valid is within the
// lease, whatever was stopped for however long; and each token is greater than all
// before. world.check and world.step say so after everything that happens.
func TestNoTwoHoldersWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for w := newWorld(t); w.steps < steps; {
			w.something()
		}
	})
}

// After anything, once the store answers and all processes run, the lease is held
// within takeover; and again after the holder has been killed.
func TestATakeoverIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for before := rapid.IntRange(0, steps/4).Draw(t, "before"); w.steps < before; {
			w.something()
		}
		w.calm()
		for round := range 3 {
			began := w.real
			holder := w.holder()
			for ; holder == nil; holder = w.holder() {
				if w.real-began > takeover {
					w.t.Fatalf("nobody holds the lease after %v: %+v", w.real-began, w.record)
				}
				w.advance(10 * time.Millisecond)
				w.replace()
			}
			w.advance(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			if round > 0 && holder != w.holder() { // at first, a renewal may have been too late already
				w.t.Fatalf("%s has lost the lease although nothing was wrong", holder.holder)
			}
			holder.done = true // it is killed; what it had sent still arrives
			holder.live, holder.running = false, false
			w.replace()
		}
	})
}

// calm ends all faults.
func (w *world) calm() {
	w.down, w.messages = false, nil
	for _, p := range w.processes {
		if p.network = prompt; p.paused || p.resumed {
			p.paused = false
			w.step(p, machine.Event{Kind: machine.Tick})
		}
		if !p.done {
			w.step(p, machine.Event{Kind: machine.Defer})
		}
		p.ends = min(p.ends, w.real) // work that does not end is no fault of the lease's
	}
	w.replace()
}

// replace starts a process for each that has ended.
func (w *world) replace() {
	for i, p := range w.processes {
		if p.done {
			w.processes[i] = w.newProcess()
		}
	}
}

func (w *world) holder() *process {
	for _, p := range w.processes {
		if p.live {
			return p
		}
	}
	return nil
}

// something lets time pass, and then one thing happen.
func (w *world) something() {
	most := rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond, time.Second, ttl}).Draw(w.t, "scale")
	w.advance(time.Duration(rapid.IntRange(0, 100).Draw(w.t, "time")) * most / 100)
	p := w.processes[rapid.IntRange(0, len(w.processes)-1).Draw(w.t, "process")]
	switch rapid.IntRange(0, 13).Draw(w.t, "what") {
	case 0, 1, 2:
		p.network = network(rapid.IntRange(0, int(networks)-1).Draw(w.t, "network"))
	case 3, 4:
		for _, p := range w.processes {
			p.network = prompt
		}
	case 5, 6:
		w.pause(p)
	case 7, 8:
		p.resumed = p.resumed || p.paused
		p.paused = false
		w.check()
	case 9:
		w.down = !w.down
	case 10:
		w.down = false
	case 11:
		if p.live && !p.paused {
			w.workReturns(p)
		}
	case 12:
		if !p.paused && !p.done {
			kind := rapid.SampledFrom([]machine.EventKind{
				machine.Changed, machine.WatchEnded, machine.Stop, machine.Yield, machine.Defer,
			}).Draw(w.t, "told")
			delay := time.Duration(rapid.IntRange(-1, 2).Draw(w.t, "delay")) * time.Second
			w.step(p, machine.Event{Kind: kind, Delay: delay, Now: w.notified()})
		}
	case 13:
		if rapid.Bool().Draw(w.t, "killed") {
			p.done, p.live, p.running = true, false, false
		}
	}
	w.replace()
}

// pause stops a process, or continues it. Its timers may fire only later.
func (w *world) pause(p *process) {
	if p.resumed || p.paused {
		p.paused = false
		w.step(p, machine.Event{Kind: machine.Tick})
		return
	}
	p.paused = true
}
