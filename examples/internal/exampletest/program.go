package exampletest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	buildLimit = 5 * time.Minute
	runLimit   = time.Minute
)

// Build builds the program in the test's folder, and returns the path of the
// binary. A failure ends the test.
func Build(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	binary := filepath.Join(t.TempDir(), "example")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", binary, ".").CombinedOutput(); err != nil { //nolint:gosec // the test's own
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return binary
}

// Long skips a test whose program runs for long, with -short.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("the program runs for more than ten seconds: left out with -short")
	}
}

// Result is the result of a program.
type Result struct {
	// Lines is its standard output, and Stderr its standard error.
	Lines  []string
	Stderr string
	// Code is its exit code.
	Code int
}

// Last returns the last line of the standard output, "" if there is none.
func (r Result) Last() string {
	if len(r.Lines) == 0 {
		return ""
	}
	return r.Lines[len(r.Lines)-1]
}

// Line returns the first line of the standard output with this text in it, "" if
// there is none.
func (r Result) Line(text string) string {
	if i := slices.IndexFunc(r.Lines, func(line string) bool { return strings.Contains(line, text) }); i >= 0 {
		return r.Lines[i]
	}
	return ""
}

// Run runs a program to its end.
func Run(t testing.TB, binary string, args ...string) Result {
	t.Helper()
	return Start(t, binary, args...).Wait()
}

// Program is a running program, for use by one goroutine.
type Program struct {
	t       testing.TB
	command *exec.Cmd
	lines   chan string // closed at the end of the output
	late    <-chan time.Time
	stderr  bytes.Buffer // complete once lines is closed
	result  Result
}

// Start starts a program. The end of the test kills it if it still runs.
func Start(t testing.TB, binary string, args ...string) *Program {
	t.Helper()
	command := exec.Command(binary, args...) //nolint:gosec,noctx // the program under test, which the cleanup kills
	p := &Program{t: t, command: command, lines: make(chan string), late: time.After(runLimit)}
	p.command.Stderr = &p.stderr
	stdout, err := p.command.StdoutPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	go p.read(stdout)
	t.Cleanup(func() {
		_ = p.command.Process.Kill() // an error means that it has ended already
		for range p.lines {          // wait for the reader
		}
	})
	return p
}

func (p *Program) read(stdout io.Reader) {
	defer close(p.lines)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		p.lines <- lines.Text()
	}
	_ = p.command.Wait() // how it ended is in command.ProcessState
}

// WaitLine waits for a line of the standard output with this text in it, and
// returns the line.
func (p *Program) WaitLine(text string) string {
	p.t.Helper()
	for {
		line, ok := p.next()
		if !ok {
			p.t.Fatalf("the program has ended without %q:\n%s\n%s", text, strings.Join(p.result.Lines, "\n"), p.stderr.String())
		}
		if strings.Contains(line, text) {
			return line
		}
	}
}

// Interrupt sends the program the signal of Ctrl-C.
func (p *Program) Interrupt() {
	p.t.Helper()
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatalf("interrupt: %v", err)
	}
}

// Wait waits for the end of the program.
func (p *Program) Wait() Result {
	p.t.Helper()
	for {
		if _, ok := p.next(); !ok {
			p.result.Stderr, p.result.Code = p.stderr.String(), p.command.ProcessState.ExitCode()
			return p.result
		}
	}
}

// next returns the next line, or false at the end.
func (p *Program) next() (string, bool) {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if ok {
			p.result.Lines = append(p.result.Lines, line)
		}
		return line, ok
	case <-p.late:
		p.t.Fatalf("the program takes more than %v:\n%s", runLimit, strings.Join(p.result.Lines, "\n"))
		return "", false
	}
}
