package faulttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The callers: how many there are of each kind, how long their calls may take, and
// how long they pause at most between two calls.
const (
	readers, writers, followers = 12, 6, 6

	defaultRest    = 10 * time.Millisecond
	readTimeout    = 15 * time.Second
	writeTimeout   = 3 * time.Second
	followTimeout  = 15 * time.Second
	recoverTicks   = 60
	recoverTimeout = time.Minute
)

// Config says how long a run is: until For has passed or Calls have been made,
// whichever comes first; 0 means no bound.
type Config struct {
	Seed  uint64
	For   time.Duration
	Calls uint64
	// Tick is the time from one step of the plan to the next; 0 means a second.
	Tick time.Duration
	// Rest is the longest pause of a caller between two calls; 0 means 10 ms.
	Rest time.Duration
	// OnTick, if not nil, is called at each tick.
	OnTick func(Tick)
}

// Tick is the argument of Config.OnTick.
type Tick struct {
	Number int
	Step   Step
	Report Report // so far
}

// Tally counts the calls of one kind.
type Tally struct{ OK, Failed uint64 }

// Report holds the results of the calls.
type Report struct {
	Reads, Writes, Follows Tally
	// Again is how many reads arrived at a server after they had arrived at one
	// before.
	Again uint64
	// Slowest is how long the slowest read took.
	Slowest time.Duration
	// Faults counts the faults that began, by kind.
	Faults map[Fault]int
	// Violations lists what must not have happened: the first few violations, and
	// the number of all.
	Violations []string
	Violated   int
}

// Calls returns how many calls have been made.
func (r Report) Calls() uint64 {
	return r.Reads.OK + r.Reads.Failed + r.Writes.OK + r.Writes.Failed + r.Follows.OK + r.Follows.Failed
}

// String returns the report in one line.
func (r Report) String() string {
	var faults []string
	for f, n := range r.Faults {
		faults = append(faults, fmt.Sprintf("%v %d", f, n))
	}
	slices.Sort(faults)
	return fmt.Sprintf("%d calls: reads %d, %d failed, %d arrived again, the slowest took %v; writes %d, %d failed; "+
		"streams %d, %d failed; faults: %s; %d violations", r.Calls(), r.Reads.OK+r.Reads.Failed, r.Reads.Failed, r.Again,
		r.Slowest.Round(time.Millisecond), r.Writes.OK+r.Writes.Failed, r.Writes.Failed,
		r.Follows.OK+r.Follows.Failed, r.Follows.Failed, strings.Join(faults, ", "), r.Violated)
}

// run is a run in progress.
type run struct {
	bench *Bench
	cfg   Config
	// cancels says that the servers themselves answer CANCELLED.
	cancels bool

	reads, writes, follows tally
	slowest                atomic.Int64
	faults                 map[Fault]int
}

type tally struct{ ok, failed atomic.Uint64 }

func (t *tally) count(err error) {
	if err == nil {
		t.ok.Add(1)
	} else {
		t.failed.Add(1)
	}
}

func (t *tally) load() Tally { return Tally{OK: t.ok.Load(), Failed: t.failed.Load()} }

// Run disturbs the servers and makes calls meanwhile. At the end it ends all
// faults, waits until all servers are in rotation again, and lets the calls that
// are under way finish. The error is that of ctx or a fault of the run itself;
// violations by the client are in the report.
func Run(ctx context.Context, b *Bench, cfg Config) (Report, error) {
	cfg.Tick, cfg.Rest = cmp.Or(cfg.Tick, time.Second), cmp.Or(cfg.Rest, defaultRest)
	if err := b.Client.WaitHealthy(ctx, b.Cluster.Len()); err != nil {
		return Report{}, err
	}
	r := &run{bench: b, cfg: cfg, faults: make(map[Fault]int)}
	calling, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() { r.caller(calling, r.read) })
	}
	for range writers {
		wg.Go(func() { r.caller(calling, r.write) })
	}
	for range followers {
		wg.Go(func() { r.caller(calling, r.follow) })
	}
	err := r.disturb(ctx)
	stop()
	wg.Wait()
	return r.report(), err
}

// disturb carries out the plan.
func (r *run) disturb(ctx context.Context) error {
	var p Plan
	draw := seeded(r.cfg.Seed)
	ticker := time.NewTicker(r.cfg.Tick)
	defer ticker.Stop()
	start := time.Now()
	for tick := 1; ctx.Err() == nil; tick++ {
		var step Step
		p, step = p.Next(r.bench.inRotation(), draw)
		if step.Fault != None && !step.Ends {
			r.faults[step.Fault]++
		}
		if err := r.bench.do(step, draw); err != nil { //nolint:contextcheck // as in heal
			return err
		}
		for _, i := range p.Overdue(recoverTicks) {
			r.bench.Witness.Wrongf("server%d is not back in rotation %d ticks after its fault has ended", i, recoverTicks)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		report := r.report()
		if r.cfg.OnTick != nil {
			r.cfg.OnTick(Tick{Number: tick, Step: step, Report: report})
		}
		if r.cfg.For > 0 && time.Since(start) >= r.cfg.For || r.cfg.Calls > 0 && report.Calls() >= r.cfg.Calls {
			break
		}
	}
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recoverTimeout)
	defer cancel()
	if err := r.bench.heal(healing, p, draw); errors.Is(err, context.DeadlineExceeded) {
		r.bench.Witness.Wrongf("not all are back in rotation %v after all faults have ended: %v", recoverTimeout, err)
	} else if err != nil {
		return err
	}
	return ctx.Err()
}

func (r *run) report() Report {
	wrong, count := r.bench.Witness.Violations()
	return Report{
		Reads: r.reads.load(), Writes: r.writes.load(), Follows: r.follows.load(),
		Again: r.bench.Witness.again.Load(), Slowest: time.Duration(r.slowest.Load()),
		Faults: maps.Clone(r.faults), Violations: wrong, Violated: count,
	}
}

// caller makes calls until ctx ends. It completes the call in progress then.
func (r *run) caller(ctx context.Context, call func(context.Context)) {
	for wait(ctx, rand.N(r.cfg.Rest)) == nil {
		call(context.WithoutCancel(ctx))
	}
}

// read makes an idempotent call. It must not fail, since there are always servers
// that could answer it.
func (r *run) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	w := r.bench.Witness
	ctx, id := w.Call(ctx)
	start := time.Now()
	got, err := call(ctx, r.bench.Client, readMethod, id)
	r.ended(ctx, "read", id, err)
	r.reads.count(err)
	took := int64(time.Since(start))
	for old := r.slowest.Load(); took > old && !r.slowest.CompareAndSwap(old, took); old = r.slowest.Load() {
	}
	switch {
	case err != nil:
		w.Wrongf("read %d was lost after %v: %v", id, time.Since(start).Round(time.Millisecond), err)
	case got != answerTo(id):
		w.Wrongf("read %d was answered %q", id, got)
	}
}

// write makes a call that is not idempotent. It may fail, but must not arrive twice,
// which the witness sees, nor succeed without having arrived.
func (r *run) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	w := r.bench.Witness
	ctx, id := w.Call(ctx)
	got, err := call(ctx, r.bench.Client, writeMethod, id)
	r.ended(ctx, "write", id, err)
	r.writes.count(err)
	switch {
	case err != nil:
	case got != answerTo(id):
		w.Wrongf("write %d was answered %q", id, got)
	case !w.Arrived(id):
		w.Wrongf("write %d was answered and has not arrived", id)
	}
}

// follow reads a stream. The stream may break, but until then each message must
// arrive once and in order.
func (r *run) follow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	w := r.bench.Witness
	ctx, id := w.Call(ctx)
	n := 0
	err := followAll(ctx, r.bench.Client, id, func(m string) {
		if m != messageOf(id, n) {
			w.Wrongf("stream %d: message %d is %q", id, n, m)
		}
		n++
	})
	r.ended(ctx, "stream", id, err)
	r.follows.count(err)
	if err == nil && n != messages {
		w.Wrongf("stream %d ended well after %d messages", id, n)
	}
}

// ended checks how a call has ended for its caller. A call that the caller has not
// cancelled must not end CANCELLED, whatever happens to the servers.
func (r *run) ended(ctx context.Context, what string, id uint64, err error) {
	if status.Code(err) == codes.Canceled && ctx.Err() == nil && !r.cancels {
		r.bench.Witness.Wrongf("%s %d ended CANCELLED, although it was not cancelled: %v", what, id, err)
	}
}
