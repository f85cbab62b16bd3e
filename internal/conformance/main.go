package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"
)

// options are the command line's.
type options struct {
	short, race, keep, verbose bool
	grpc                       string
	suites                     []string
}

// errDiffers ends the command with exit code 1: its report has said why.
var errDiffers = errors.New("not what docs/conformance.md says")

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "leave out what takes long: see the package's documentation")
	flag.BoolVar(&o.race, "race", false, "build the tests with the race detector")
	flag.BoolVar(&o.keep, "keep", false, "leave the patched copy of grpc's module where it is")
	flag.BoolVar(&o.verbose, "v", false, "say of each test that fails with us why it does")
	flag.StringVar(&o.grpc, "grpc", "", "the `version` of grpc; default: the one in use")
	flag.Parse()
	o.suites = flag.Args()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	switch {
	case errors.Is(err, errDiffers):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
}

// run does what the options ask and writes the report to out.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	selected, err := chosen(o.suites, o.short)
	if err != nil {
		return err
	}
	library, err := findLibrary(ctx)
	if err != nil {
		return err
	}
	grpc, err := findGRPC(ctx, library, o.grpc)
	if err != nil {
		return err
	}
	expected, err := readDifferences(library)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cantonlb-conformance-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(out, "the copy:", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	w, err := newWorkspace(ctx, dir, library, grpc, selected)
	if err != nil {
		return err
	}
	r := report{out: out, otherVersion: o.grpc != "", verbose: o.verbose}
	r.begin(grpc.Version)
	for outcome := range w.checkAll(ctx, selected, o.race, expected) {
		if outcome.err != nil {
			return fmt.Errorf("suite %s: %w", outcome.suite.name, outcome.err)
		}
		r.suite(outcome.suite, outcome.verdict, outcome.took)
	}
	return r.end()
}

// outcome is what became of one suite.
type outcome struct {
	suite   suite
	verdict verdict
	took    time.Duration // without the build
	err     error
}

// atOnce is how many suites run at a time: most of what they do is wait.
const atOnce = 2

// checkAll builds the suites one after the other, runs them, and yields what became
// of each, in their order. It stops them all when the caller stops.
func (w *workspace) checkAll(ctx context.Context, selected []suite, race bool, expected differences) iter.Seq[outcome] {
	return func(yield func(outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		outcomes := make([]chan outcome, len(selected))
		for i := range outcomes {
			outcomes[i] = make(chan outcome, 1)
		}
		places := make(chan struct{}, atOnce)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		running.Go(func() {
			for i, s := range selected {
				path, err := w.build(ctx, s, race)
				if err != nil {
					outcomes[i] <- outcome{suite: s, err: err}
					continue
				}
				places <- struct{}{}
				running.Go(func() {
					defer func() { <-places }()
					began := time.Now()
					v, err := w.check(ctx, s, path, expected[s.name])
					outcomes[i] <- outcome{suite: s, verdict: v, took: time.Since(began), err: err}
				})
			}
		})
		for _, o := range outcomes {
			if !yield(<-o) {
				return
			}
		}
	}
}

// rerun is how often what is in doubt runs again.
const rerun = 2

// check runs one suite by its test program, and its control where it fails.
func (w *workspace) check(ctx context.Context, s suite, path string, expected map[string]difference) (v verdict, err error) {
	dir := filepath.Join(w.dir, filepath.FromSlash(s.dir))
	var names []string
	if len(s.files) > 0 {
		if names, err = testsIn(dir, s.files); err != nil {
			return verdict{}, err
		}
	}
	side := func(control bool, names []string) (results, error) {
		env, err := s.environment(control)
		if err != nil {
			return nil, err
		}
		return program{path: path, dir: dir, env: env}.run(ctx, names)
	}
	ours, err := side(false, names)
	if err != nil {
		return verdict{}, err
	}
	control := results{}
	if failed := failures(ours); len(failed) > 0 {
		if control, err = side(true, failed); err != nil {
			return verdict{}, fmt.Errorf("control: %w", err)
		}
	}
	var again []results
	if doubt := doubtful(ours, control, expected); len(doubt) > 0 {
		for range rerun {
			one, err := side(false, doubt)
			if err != nil {
				return verdict{}, err
			}
			again = append(again, one)
		}
	}
	return compare(ours, control, again, expected, len(s.files) == 0), nil
}
