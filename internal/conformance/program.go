package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// How long one test may run. The longest of grpc's tests takes about 10 s on a
// quiet machine. Tests that are known to fail have a shorter limit, since some
// hang.
const (
	testLimit  = 90 * time.Second
	knownLimit = 10 * time.Second
)

// betweenTests is the name that counts as failed if a process ends while no test
// runs.
const betweenTests = "(between tests)"

// result is the result of one test.
type result struct {
	failed  bool
	skipped bool
	output  []string // of a test that failed
}

// results holds the results of the tests that ran, by name: TestX for a function,
// and Test/X for the method TestX of a suite of methods. Deeper subtests count for
// these.
type results map[string]result

// program is a test program of the copy, with the policies of one side.
type program struct {
	path, dir string
	env       []string
	expected  map[string]difference // of these tests
}

// limit returns how long a test may run.
func (p program) limit(name string) time.Duration {
	if _, is := p.expected[name]; is {
		return knownLimit
	}
	return testLimit
}

// event is one line of test2json.
type event struct {
	Action string `json:"Action"` //nolint:tagliatelle // as test2json writes it
	Test   string `json:"Test"`   //nolint:tagliatelle // the same
	Output string `json:"Output"` //nolint:tagliatelle // the same
}

// run runs the tests with these names, or all tests without names. A test that
// exceeds its limit or ends the process has failed. The tests after a failed one
// run in a new process, since it may have left something open that makes them fail
// too.
func (p program) run(ctx context.Context, names []string) (results, error) {
	all := make(results)
	for ctx.Err() == nil {
		clean, err := p.runOnce(ctx, names, all)
		if err != nil || clean {
			return all, err
		}
	}
	return all, ctx.Err()
}

// runOnce adds the results of one process, which leaves out tests that have a
// result. It reports whether the process has run them all.
func (p program) runOnce(ctx context.Context, names []string, all results) (clean bool, err error) {
	before := len(all)
	args := []string{"-test.v=test2json", "-test.timeout=0"}
	if names != nil {
		args = append(args, "-test.run="+pattern(names))
	}
	if before > 0 {
		args = append(args, "-test.skip="+pattern(keys(all)))
	}
	tests := exec.CommandContext(ctx, p.path, args...) //nolint:gosec // of this program's own making
	tests.Dir, tests.Env = p.dir, append(os.Environ(), p.env...)
	output, input := io.Pipe()
	tests.Stdout, tests.Stderr = input, input
	convert := exec.CommandContext(ctx, "go", "tool", "test2json")
	convert.Stdin = output
	events, err := convert.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := convert.Start(); err != nil {
		return false, err
	}
	if err := tests.Start(); err != nil {
		_ = input.Close()
		return false, fmt.Errorf("%w (and %w)", err, convert.Wait())
	}
	exit := make(chan error, 1)
	go func() {
		exit <- tests.Wait()
		_ = input.Close()
	}()

	running, end := follow(events, all, p.limit, func() { _ = tests.Process.Kill() })
	exitErr := <-exit
	if err := convert.Wait(); err != nil {
		return false, fmt.Errorf("go tool test2json: %w", err)
	}
	if end == testFailed {
		return false, nil
	}
	if running.name == "" {
		if exitErr == nil || tests.ProcessState.ExitCode() == 1 && len(all) > before {
			return true, nil
		}
		if len(all) == before {
			return false, fmt.Errorf("%s: %w: %s", filepath.Base(p.path), exitErr, strings.Join(running.output, "\n"))
		}
		running.name = betweenTests
	}
	why := fmt.Sprintf("the process ended: %v", exitErr)
	if end == testOutlasted {
		why = fmt.Sprintf("killed after %v", p.limit(running.name))
	}
	all[running.name] = result{failed: true, output: append(telling(running.output), why)}
	return false, nil
}

// current is the test that runs.
type current struct {
	name   string
	output []string
}

// ending says how the events of a process end.
type ending int

const (
	processEnded  ending = iota // by itself
	testFailed                  // and the process was killed for that
	testOutlasted               // likewise
)

// follow reads the events until there are no more, and adds the tests that have
// ended. It calls kill when a test fails or exceeds its limit, and returns the test
// that had not ended.
func follow(events io.Reader, all results, limitOf func(name string) time.Duration, kill func()) (running current, end ending) {
	expired := make(chan struct{})
	limit := time.AfterFunc(testLimit, func() { close(expired); kill() })
	failed := current{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		name := counted(e.Test)
		switch {
		case e.Action == "output" && end == testFailed: // a panic's, which follows the result
			failed.output = append(failed.output, strings.TrimRight(e.Output, "\n"))
		case e.Action == "output":
			running.output = append(running.output, strings.TrimRight(e.Output, "\n"))
		case name == "" || e.Test != name: // of the program, of the suite of methods, or deeper
		case end == testFailed:
			kill()
		case e.Action == "run":
			limit.Reset(limitOf(name))
			running = current{name: name}
		case e.Action == "pass", e.Action == "skip":
			limit.Reset(testLimit)
			all[name] = result{skipped: e.Action == "skip"}
			running = current{}
		case e.Action == "fail":
			limit.Reset(testLimit)
			failed, running, end = current{name: name, output: running.output}, current{}, testFailed
			if len(telling(failed.output)) > 0 {
				kill()
			}
		}
	}
	limit.Stop()
	if end == testFailed {
		all[failed.name] = result{failed: true, output: telling(failed.output)}
	}
	select {
	case <-expired:
		if running.name != "" {
			end = testOutlasted
		}
	default:
	}
	return running, end
}

// counted returns the name under which a test counts: Test/X/deeper is Test/X, and
// TestX/deeper is TestX. It is empty for Test, which only runs others.
func counted(name string) string {
	parts := strings.SplitN(name, "/", 3)
	switch {
	case parts[0] != "Test":
		return parts[0]
	case len(parts) == 1:
		return ""
	default:
		return parts[0] + "/" + parts[1]
	}
}

// pattern returns the pattern for -test.run and -test.skip that matches exactly
// these names.
func pattern(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		parts := strings.Split(name, "/")
		for j := range parts {
			parts[j] = "^" + regexp.QuoteMeta(parts[j]) + "$"
		}
		quoted[i] = strings.Join(parts, "/")
	}
	return strings.Join(quoted, "|")
}

var (
	tellingLine = regexp.MustCompile(`\w+_test\.go:\d+: |^panic|^fatal error|[Ll]eaked|tester\.go|github.com/cantonlb`)
	dullLine    = regexp.MustCompile(`INFO|Running test in|listening|Started |Registered |Created a `)
)

// telling returns the last ten lines of a test's output that say what went wrong.
func telling(output []string) []string {
	lines := slices.DeleteFunc(slices.Clone(output), func(line string) bool {
		return !tellingLine.MatchString(line) || dullLine.MatchString(line)
	})
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)[:min(len(strings.TrimSpace(line)), 400)]
	}
	return lines[max(0, len(lines)-10):]
}

func keys(all results) []string {
	var out []string
	for name := range all {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

var (
	methodTest   = regexp.MustCompile(`(?m)^func \(\w*\s*s\) (Test\w+)\(`)
	functionTest = regexp.MustCompile(`(?m)^func (Test\w+)\(\w+ \*testing\.T\)`)
)

// testsIn returns the names of the tests in these files of a folder.
func testsIn(dir string, files []string) ([]string, error) {
	var names []string
	for _, file := range files {
		source, err := fs.ReadFile(os.DirFS(dir), file)
		if err != nil {
			return nil, err
		}
		for _, m := range methodTest.FindAllSubmatch(source, -1) {
			names = append(names, "Test/"+strings.TrimPrefix(string(m[1]), "Test"))
		}
		for _, m := range functionTest.FindAllSubmatch(source, -1) {
			if name := string(m[1]); name != "Test" && name != "TestMain" {
				names = append(names, name)
			}
		}
	}
	return names, nil
}
