package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

// Options say what is run. The zero value means everything, at full length.
type Options struct {
	// Suite says which scenarios there are; empty is Faults.
	Suite Suite
	// Short runs a subset of the scenarios, once each, in less than 3 minutes.
	Short bool
	// Runs overrides how often scenarios are run that run more than once; 0 means as
	// planned.
	Runs int
	// Seed determines the order of the runs, and which server is disturbed.
	Seed uint64
	// Scenarios and Peers are the ids of what is run; empty means all.
	Scenarios, Peers []string
	// Log receives a line for each run, and what is left out. Nil means no log.
	Log io.Writer
}

// Validate returns an error if the options contain a name that is unknown or given
// twice.
func (o Options) Validate() error {
	return errors.Join(
		o.Suite.checkNames("fault", o.Scenarios, o.Suite.scenarioIDs()),
		o.Suite.checkNames("peer", o.Peers, idsOf(o.Suite.peers())))
}

func (s Suite) checkNames(what string, names, known []string) error {
	for i, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("suite %s: %s %q: want one of %s", s.name(), what, name, strings.Join(known, ", "))
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("suite %s: %s %q: given twice, want it once", s.name(), what, name)
		}
	}
	return nil
}

// task is one planned run.
type task struct {
	scenario *scenario
	plan     plan
	victims  uint64 // seed of what is random in the run
}

// schedule returns the runs in random order, the same for the same seed.
func (o Options) schedule() []task {
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	var tasks []task
	for _, sc := range o.Suite.scenarios() {
		p := sc.full
		if o.Short {
			p = sc.short
			if len(o.Scenarios) > 0 && p.runs == 0 { // asked for by name
				p = sc.full
				p.runs = 1
			}
		}
		if o.Runs > 0 && p.runs > 1 {
			p.runs = o.Runs
		}
		if len(o.Scenarios) > 0 && !slices.Contains(o.Scenarios, sc.id) {
			continue
		}
		for range p.runs {
			tasks = append(tasks, task{scenario: sc, plan: p, victims: rng.Uint64()})
		}
	}
	rng.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	return tasks
}

// expected is how long the tasks take, without starting and ending.
func expected(tasks []task) (sum time.Duration) {
	for _, t := range tasks {
		sum += t.plan.lasts()
	}
	return sum
}

// run is the result of one run of a scenario.
type run struct {
	scenario *scenario
	plan     plan
	victim   string
	busy     float64 // the machine, with all that runs on it, 0 to 1; NaN if unknown
	ours     float64 // the part of that which the run's own processes account for
	marks    marks
	peers    map[string]measured
}

// Run runs the scenarios. It returns the measurements even with an error, which is
// that of ctx or those of runs that failed twice.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	r := &Report{options: o, machine: machine(), versions: []string{runtime.Version(), "grpc-go " + grpc.Version}}
	here := r.available(o.Peers)
	tasks := o.schedule()
	r.leaveOut(ctx, &tasks, here)
	sayf(o.Log, "%s: %d runs, about %v, -seed %d\n", o.Suite.name(), len(tasks), expected(tasks).Round(time.Second), o.Seed)
	began := time.Now()
	var trouble []error
	for i, t := range tasks {
		err := r.try(ctx, t, here)
		if err != nil && ctx.Err() == nil {
			sayf(o.Log, "%s: %s: %v; once more\n", o.Suite.name(), t.scenario.id, err)
			err = r.try(ctx, t, here)
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil {
			trouble = append(trouble, fmt.Errorf("%s: %w", t.scenario.id, err))
			continue
		}
		sayf(o.Log, "%s: %d of %d: %s\n", o.Suite.name(), i+1, len(tasks), r.runs[len(r.runs)-1].line())
	}
	r.took = time.Since(began)
	return r, errors.Join(trouble...)
}

// try makes one run.
func (r *Report) try(ctx context.Context, t task, here []peer) error {
	made, err := perform(ctx, t.scenario, t.plan, rand.New(rand.NewPCG(t.victims, 0)), here)
	if err != nil {
		return err
	}
	r.runs = append(r.runs, made)
	return nil
}

// available returns the wanted peers that can be run here.
func (r *Report) available(wanted []string) []peer {
	trouble := map[family]error{}
	for _, f := range r.options.Suite.proxies() {
		version, err := f.version()
		trouble[f] = err
		if err == nil {
			r.versions = append(r.versions, version)
		}
	}
	var here []peer
	for _, p := range r.options.Suite.peers() {
		switch {
		case len(wanted) > 0 && !slices.Contains(wanted, p.id):
		case p.proxy != "" && trouble[p.family] != nil:
			r.skip("peer "+p.id, trouble[p.family])
		default:
			here = append(here, p)
		}
	}
	return here
}

// leaveOut removes the tasks that cannot be run, and those without a peer.
func (r *Report) leaveOut(ctx context.Context, tasks *[]task, here []peer) {
	var noNetwork error
	if slices.ContainsFunc(*tasks, func(t task) bool { return t.scenario.network }) {
		noNetwork = netns.Possible(ctx, "tc")
	}
	*tasks = slices.DeleteFunc(*tasks, func(t task) bool {
		if t.scenario.network && noNetwork != nil {
			r.skip("fault "+t.scenario.id, noNetwork)
			return true
		}
		return !slices.ContainsFunc(here, func(p peer) bool { return t.scenario.has(p.id) })
	})
}

// skip records once what could not be measured, and why.
func (r *Report) skip(what string, why error) {
	text := what + ": " + why.Error()
	if !slices.Contains(r.skipped, text) {
		r.skipped = append(r.skipped, text)
		sayf(r.options.Log, "%s: skipped: %s\n", r.options.Suite.name(), text)
	}
}

// sayf prints a message and ignores errors.
func sayf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
