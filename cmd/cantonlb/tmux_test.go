package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// terminal is a terminal of tmux in which a program runs.
type terminal struct {
	t      *testing.T
	socket string
}

// open starts a program in a terminal of its own, and shows its exit code after it
// has ended.
func open(t *testing.T, command string, environ ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("no tmux in the path: install Debian's package tmux")
	}
	term := &terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	line := "env " + strings.Join(environ, " ") + " " + command + `; echo "ended with $?"; sleep 60`
	term.tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "30", "sh", "-c", line)
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	command := exec.CommandContext(term.t.Context(), "tmux", append([]string{"-S", term.socket}, args...)...)
	command.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
	var errs bytes.Buffer
	command.Stderr = &errs
	out, err := command.Output()
	require.NoError(term.t, err, errs.String())
	return string(out)
}

// await waits until the screen shows what it should, and returns the screen.
func (term *terminal) await(what string, ok func(screen string) bool) string {
	term.t.Helper()
	var screen string
	for late := time.After(testkit.Patience); ; {
		if screen = term.tmux("capture-pane", "-p"); ok(screen) {
			return screen
		}
		select {
		case <-late:
			term.t.Fatalf("the terminal never showed %s:\n%s", what, screen)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// line returns the line of the screen that begins with these words.
func line(screen string, words ...string) string {
	for text := range strings.Lines(screen) {
		if f := strings.Fields(text); len(f) >= len(words) && strings.Join(f[:len(words)], " ") == strings.Join(words, " ") {
			return text
		}
	}
	return ""
}

// programKey makes a process of the test's binary the command.
const programKey = "CANTONLB_TEST_PROGRAM"

// program returns the test's binary, which is the command until the end of the test: it
// is linked already.
func program(t *testing.T) string {
	t.Helper()
	t.Setenv(programKey, "1")
	binary, err := os.Executable()
	require.NoError(t, err)
	return binary
}

func TestWatchShowsAFaultInATerminalAndEndsByItsKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	c := cluster(t, 3)
	config := file(t, "lb.yaml", "endpoints:\n- {name: seq1, address: \"http://"+c.Addrs()[0]+"\"}\n- {name: seq2, address: \"http://"+c.Addrs()[1]+
		"\"}\n- {name: seq3, address: \"http://"+c.Addrs()[2]+"\"}\n")
	binary := program(t)
	for key, name := range map[string]string{"q": "q", "C-c": "Ctrl-C"} {
		t.Run(name, func(t *testing.T) {
			c.SetServing(1, "", true)
			term := open(t, binary+" watch --config "+config)
			screen := term.await("three healthy endpoints", func(s string) bool {
				return strings.HasPrefix(s, "3 of 3 endpoints eligible") && line(s, "seq1", "healthy") != "" && line(s, "seq2", "healthy") != "" &&
					line(s, "seq3", "healthy") != ""
			})
			assert.Contains(t, line(screen, "seq2"), "▅  serving")

			c.SetServing(1, "", false)
			screen = term.await("that seq2 is unhealthy", func(s string) bool {
				return strings.HasPrefix(s, "2 of 3 endpoints eligible") && line(s, "seq2", "unhealthy") != ""
			})
			assert.Contains(t, line(screen, "seq2"), "█  not_serving", "the trail draws it")
			assert.Contains(t, line(screen, "seq1"), "▅  serving")
			assert.Contains(t, screen, `endpoint "seq2": healthy -> unhealthy (not_serving)`)
			assert.Contains(t, term.tmux("capture-pane", "-p", "-e"), "\x1b[1m\x1b[31munhealthy", "it is red")
			t.Log("\n" + screen)

			c.SetServing(1, "", true)
			term.await("that seq2 is healthy again", func(s string) bool { return strings.HasPrefix(s, "3 of 3") && line(s, "seq2", "healthy") != "" })
			term.tmux("send-keys", key)
			screen = term.await("the end", func(s string) bool { return strings.Contains(s, "ended with") })
			assert.Equal(t, "ended with 0", strings.TrimSpace(screen), "the screen is as it was before")
		})
	}
}

func TestATerminalWithoutColoursIsServedAsWell(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	c := cluster(t, 1)
	term := open(t, program(t)+" watch --plaintext "+c.Target(), "NO_COLOR=1")
	term.await("a healthy endpoint", func(s string) bool { return strings.HasPrefix(s, "1 of 1 endpoint eligible") })
	coloured := term.tmux("capture-pane", "-p", "-e")
	assert.NotContains(t, coloured, "\x1b[32m")
}

func TestTheExitCodeIsThatOfTheProcess(t *testing.T) {
	c := cluster(t, 2)
	c.SetServing(1, "", false)
	binary := program(t)
	for want, args := range map[int][]string{
		codeSome:  {"check", "--plaintext", c.Target()},
		codeUsage: {"check", "--no-such-flag"},
	} {
		err := exec.CommandContext(t.Context(), binary, args...).Run()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, want, exit.ExitCode())
	}
}
