package exampletest

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/examples/internal/child"
)

const (
	runLimit = time.Minute
	// childLimit is how long processes that a program has started may keep its standard
	// error after its end, such as one that is stopped.
	childLimit = 10 * time.Second
)

// programKey makes a process of the test's binary the program.
const programKey = "CANTONLB_EXAMPLETEST_PROGRAM"

// Main is for TestMain: it runs the example if this process was started as one, and
// the tests otherwise. program is the example's main.
func Main(m *testing.M, program func()) {
	if os.Getenv(programKey) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	program()
	os.Exit(0) //nolint:revive // in place of main
}

// Long skips a test whose program runs for long, with -short.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("the program runs for seconds: left out with -short")
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

// Run runs the program to its end.
func Run(t testing.TB, args ...string) Result {
	t.Helper()
	return Start(t, args...).Wait()
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

// Start starts the program. The end of the test kills it if it still runs.
func Start(t testing.TB, args ...string) *Program {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, args...) //nolint:gosec,noctx // the program under test, which the cleanup kills
	command.Env = append(os.Environ(), programKey+"=1")
	child.Apart(command)
	p := &Program{t: t, command: command, lines: make(chan string), late: time.After(runLimit)}
	p.command.Stderr = &p.stderr
	p.command.WaitDelay = childLimit
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

// Interrupt sends the program, and what it has started in its group, the signal of Ctrl-C,
// as a terminal does.
func (p *Program) Interrupt() {
	p.t.Helper()
	if err := child.InterruptGroup(p.command); err != nil {
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
