package faults

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// replica is one server of the cluster: a process, and later another one at the
// same address. Except for the tally, it is for use by one goroutine.
type replica struct {
	name    string
	address string // where clients find it
	health  string // its HTTP health, for proxies
	config  serverConfig
	private bool // in a network namespace of its own
	tally   tally
	process *child        // the newest; nil before the first
	used    time.Duration // processor time of those that have ended
}

// tally counts what has arrived at a replica, as its processes report it.
type tally struct {
	mu   sync.Mutex
	bits []tallied
}

type tallied struct {
	began, at time.Time           // when the first and the last of it arrived; the parent knows the last
	arrived   map[string]arrivals // by client
}

func (t *tally) add(m message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bits = append(t.bits, tallied{at: m.At, arrived: m.Arrived})
}

// sum returns what arrived from a client after from, up to to.
func (t *tally) sum(client string, from, to time.Time) (sum arrivals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, bit := range t.bits {
		if bit.at.After(from) && !bit.at.After(to) {
			sum = sum.plus(bit.arrived[client])
		}
	}
	return sum
}

// launch starts a process; wait for it by listening.
func (r *replica) launch() (err error) {
	r.process, err = startChild(r.name, childConfig{Server: &r.config}, nil, r.private, r.tally.add)
	return err
}

// listening waits until the newest process listens, and returns the time since
// which it does.
func (r *replica) listening(ctx context.Context) (time.Time, error) { return r.process.ready(ctx) }

// start starts the next process, and returns the time since which it listens.
func (r *replica) start(ctx context.Context) (time.Time, error) {
	if err := r.launch(); err != nil {
		return time.Time{}, err
	}
	return r.listening(ctx)
}

// kill ends the process by SIGKILL, and returns when that was.
func (r *replica) kill() time.Time {
	now := time.Now()
	r.process.kill()
	r.ended()
	return now
}

// stop ends the process gracefully, and returns when that began.
func (r *replica) stop(ctx context.Context) (time.Time, error) {
	now := time.Now()
	_, err := r.process.tell(ctx, order{Op: opFinish})
	r.process.close()
	r.ended()
	return now, err
}

// hang stops the process with its connections open, and returns when that was.
func (r *replica) hang() (time.Time, error) {
	now := time.Now()
	return now, named(r.name, hang(r.process.command.Process))
}

// goOn ends a hang, and returns when that was.
func (r *replica) goOn() (time.Time, error) {
	now := time.Now()
	return now, named(r.name, goOn(r.process.command.Process))
}

// tell makes the process carry out an order, and returns when it took effect.
func (r *replica) tell(ctx context.Context, o order) (time.Time, error) {
	return r.process.tell(ctx, o)
}

// close ends the process, if there is one, hanging or not.
func (r *replica) close() {
	if r.process != nil {
		_ = goOn(r.process.command.Process)
		r.process.close()
		r.ended()
	}
}

// ended adds the processor time of the ended process.
func (r *replica) ended() {
	r.used += r.process.used
	r.process = nil
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
