package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/bench/faults"
	"github.com/cantonlb/cantonlb/internal/bench/jsonapi"
	"github.com/cantonlb/cantonlb/internal/bench/leases"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// A suite measures and adds to the results. It returns the context's error if it
// was interrupted.
type suite struct {
	name string
	run  func(*bench, context.Context) error
}

var suites = []suite{
	{"pick", (*bench).pick},
	{"scale", (*bench).scale},
	{"flip", (*bench).flip},
	{"overhead", (*bench).overhead},
	{faultsName, (*bench).faults},
	{failoverName, (*bench).failover},
	{slowName, (*bench).slow},
}

// bench is one run of the command.
type bench struct {
	sizes

	rng     *rand.Rand
	results *results
	log     io.Writer
	seed    uint64
	soaking soakSizes
	faulty  faultOptions
}

// sizes say how much is measured.
type sizes struct {
	reps int // repetitions of each measurement

	pickSizes []int         // endpoints
	threads   []int         // goroutines that pick at the same time
	pickFor   time.Duration // how long each goroutine picks

	scaleSizes []int         // endpoints
	flipFor    time.Duration // how long one endpoint flips without a pause
	flipPaced  int           // how many pairs of flips have a pause before each

	probesAfter time.Duration // when the first probes are made and done
	probesFor   time.Duration // how long probes are counted then
	probesMany  []int         // endpoints

	flips  int           // flips under load in one repetition
	window time.Duration // how long no call may arrive at a server that counts as left
}

func fullSizes() sizes {
	return sizes{
		reps:      5,
		pickSizes: []int{3, 100, 1000}, threads: []int{1, 2}, pickFor: 200 * time.Millisecond,
		scaleSizes: []int{10, 100, 1000, 5000}, flipFor: 300 * time.Millisecond, flipPaced: 20,
		probesAfter: 1500 * time.Millisecond, probesFor: 5 * time.Second, probesMany: []int{5000},
		flips: 300, window: 25 * time.Millisecond,
	}
}

func shortSizes() sizes {
	return sizes{
		reps:      2,
		pickSizes: []int{3, 100, 1000}, threads: []int{1, 2}, pickFor: 30 * time.Millisecond,
		scaleSizes: []int{10, 100}, flipFor: 50 * time.Millisecond, flipPaced: 5,
		probesAfter: 1500 * time.Millisecond, probesFor: time.Second, probesMany: []int{1000},
		flips: 30, window: 25 * time.Millisecond,
	}
}

// options holds the options of the command line.
type options struct {
	sizes

	json    bool
	short   bool
	seed    uint64
	suites  []suite
	against string // the binary to compare with; empty means none
	soaking soakSizes
	faulty  faultOptions
}

// parse reads the command line. Flags may be before, between and after the names of
// suites.
func parse(args []string, help io.Writer) (options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is returned, and printed once
	flags.Usage = func() {}
	short := flags.Bool("short", false, "small sizes and few repetitions, in less than 5 minutes")
	asJSON := flags.Bool("json", false, "print one JSON object a line instead of tables")
	reps := flags.Int("reps", 0, "repetitions of each measurement (default 5, with -short 2)")
	seed := flags.Uint64("seed", 0, "seed of the shuffled order and of random faults (default: chosen at random)")
	against := flags.String("against", "",
		fmt.Sprintf("compare this binary with another one, such as one of an older commit, in pairs (default of -reps then %d)", againstReps))
	soaking := soakFlags(flags)
	faulty := faultFlags(flags)

	var names []string
	for rest := args; ; {
		err := flags.Parse(rest)
		if errors.Is(err, flag.ErrHelp) {
			sayf(help, "usage: bench [flags] [suite ...]\nsuites: %s (default: %s)\nflags:\n", suiteNames(), listed(suites))
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		if err != nil {
			return options{}, err
		}
		if rest = flags.Args(); len(rest) == 0 {
			break
		}
		names, rest = append(names, rest[0]), rest[1:]
	}
	o := options{sizes: fullSizes(), json: *asJSON, short: *short, seed: *seed, against: *against}
	if *short {
		o.sizes = shortSizes()
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.against != "" {
		o.reps = againstReps
	}
	if given["reps"] {
		o.reps = *reps
	}
	if o.reps < 1 || o.reps > maxReps {
		return options{}, fmt.Errorf("reps %d: want a whole number from 1 to %d", o.reps, maxReps)
	}
	if !given["seed"] {
		o.seed = rand.Uint64()
	}
	for _, name := range names {
		all := slices.Concat(suites, onDemand)
		i := slices.IndexFunc(all, func(s suite) bool { return s.name == name })
		if i < 0 {
			return options{}, fmt.Errorf("suite %q: want one of %s", name, suiteNames())
		}
		if slices.ContainsFunc(o.suites, func(s suite) bool { return s.name == name }) {
			return options{}, fmt.Errorf("suite %q: given twice, want it once", name)
		}
		o.suites = append(o.suites, all[i])
	}
	switch {
	case o.against != "" && given["write"]:
		return options{}, errors.New("-write: not with -against, which compares numbers; want one of them")
	case len(names) > 0:
	case o.against != "":
		return options{}, fmt.Errorf("suites: none, want those that -against compares, of %s", suiteNames())
	default:
		o.suites = suites
	}
	if err := faulty(&o, given); err != nil {
		return o, err
	}
	return o, soaking(&o)
}

const maxReps = 1000

func listed(list []suite) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

func suiteNames() string { return listed(slices.Concat(suites, onDemand)) }

// run is the command, independent of its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		sayf(stderr, "bench: %v\n", err)
		return exitUsage
	}
	if o.against != "" {
		return compare(ctx, o, stdout, stderr)
	}
	return measure(ctx, o, stdout, stderr)
}

// measure runs the suites and prints their results.
func measure(ctx context.Context, o options, stdout, stderr io.Writer) int {
	header := fmt.Sprintf("%s, grpc %s, %s/%s, %d CPUs, GOMAXPROCS %d, %d repetitions, -seed %d\n",
		runtime.Version(), grpc.Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0), o.reps, o.seed)
	if o.json {
		sayf(stderr, "%s", header)
	} else {
		sayf(stdout, "%s", header)
	}
	code := exitOK
	for _, s := range o.suites {
		b := &bench{sizes: o.sizes, rng: rand.New(rand.NewPCG(o.seed, 0)), results: newResults(s.name), log: stderr}
		b.seed, b.soaking, b.faulty = o.seed, o.soaking, o.faulty
		err := s.run(b, ctx)
		if o.json {
			err = errors.Join(err, b.results.writeJSON(stdout))
		} else {
			err = errors.Join(err, b.results.writeTables(stdout))
		}
		switch {
		case ctx.Err() != nil:
			sayf(stderr, "bench: suite %s was interrupted; what it measured so far is printed\n", s.name)
			return exitInterrupted
		case err != nil:
			sayf(stderr, "bench: suite %s: %v\n", s.name, err)
			code = exitFailed
		case len(b.results.missing) > 0:
			code = exitFailed
		}
	}
	return code
}

// interleave calls a function for every policy in every repetition, in a new random
// order each time. Policies that are not registered are recorded as missing.
func (b *bench) interleave(ctx context.Context, what string, policies []policy, do func(rep int, p policy) error) error {
	for rep := range b.reps {
		sayf(b.log, "%s: repetition %d of %d\n", what, rep+1, b.reps)
		order := slices.Clone(policies)
		b.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, p := range order {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !p.registered() {
				b.results.miss(p)
				continue
			}
			if err := do(rep, p); err != nil {
				return fmt.Errorf("%s: %s: %w", what, p.label, err)
			}
		}
	}
	return nil
}

// sayf prints a message and ignores errors.
func sayf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func main() {
	if code, is := serveCounting(); is {
		os.Exit(code)
	}
	if code, is := faults.Child(); is {
		os.Exit(code)
	}
	if code, is := leases.Child(); is {
		os.Exit(code)
	}
	if code, is := jsonapi.Child(); is {
		os.Exit(code)
	}
	// The policies of plain channels write to the default logger. What their lines
	// cost belongs to the measurement, the lines themselves to no report.
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil))) //nolint:sloglint // see above
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
