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

// options holds the command line's options.
type options struct {
	short, race, keep, verbose bool
	grpc                       string
	suites                     []string
}

// errDiffers ends the command with exit code 1: its report has said why.
var errDiffers = errors.New("not what docs/conformance.md says")

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "leave out the slow tests: see the package's documentation")
	flag.BoolVar(&o.race, "race", false, "build the tests with the race detector")
	flag.BoolVar(&o.keep, "keep", false, "keep the patched copy of grpc's module")
	flag.BoolVar(&o.verbose, "v", false, "report why each test fails that fails with this library")
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

// run runs the check with the options and writes the report to out.
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
	r := report{out: out, otherVersion: o.grpc != "", verbose: o.verbose}
	if o.keep {
		r.sayf("the copy: %s\n", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	w, err := newWorkspace(ctx, dir, library, grpc, selected)
	if err != nil {
		return err
	}
	r.begin(grpc.Version)
	for outcome := range w.checkAll(ctx, selected, o.race, expected) {
		if outcome.err != nil {
			return fmt.Errorf("suite %s: %w", outcome.suite.name, outcome.err)
		}
		r.suite(outcome.suite, outcome.verdict, outcome.took)
	}
	return r.end()
}

// outcome is the result of one suite.
type outcome struct {
	suite   suite
	verdict verdict
	took    time.Duration // without the build
	err     error
}

// atOnce is how many suites run at a time; they mostly wait.
const atOnce = 2

// checkAll builds the suites one after the other, runs them, and yields the outcome
// of each, in order. It stops them all when the caller stops.
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

// rerun is how often a doubtful test runs again.
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
		p := program{path: path, dir: dir, env: env}
		if !control {
			p.expected = expected
		}
		return p.run(ctx, names)
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
