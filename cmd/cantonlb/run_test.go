//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lease/pglease/pgtest"
)

func TestRunRunsTheProgramUnderTheLease(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	got := command(t, "run", "--lease", server.DSN(), "--name", "pink", "--ttl", "2s", "--",
		"sh", "-c", "echo $CANTONLB_LEASE_NAME $CANTONLB_LEASE_TOKEN")
	assert.Equal(t, codeAll, got.code, got.errs)
	assert.Equal(t, "pink 1099511627777\n", got.out)
	assert.Contains(t, got.errs, "lease acquired")
}

func TestRunRunsProgramsBesideIt(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	began := filepath.Join(t.TempDir(), "began")
	got := command(t, "run", "--lease", server.DSN(), "--name", "pink", "--grace", "100ms",
		"--with", "sh -c 'echo $CANTONLB_LEASE_NAME > "+began+"; while :; do sleep 1; done'", "--",
		"sh", "-c", "until [ -s "+began+" ]; do sleep 0.01; done; cat "+began)
	assert.Equal(t, codeAll, got.code, got.errs)
	assert.Equal(t, "pink\n", got.out)
}

func TestRunEndsWith1IfRestartingDoesNotHelp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	for _, never := range []string{"-1", "0"} {
		got := command(t, "run", "--lease", server.DSN(), "--name", "pink", "--restart", never, "--", "sh", "-c", "exit 7")
		assert.Equal(t, codeSome, got.code, got.errs)
		assert.Contains(t, got.errs, "restarting does not help: code 7")
		assert.Equal(t, 1, strings.Count(got.errs, "the program was started"))
	}
}

func TestRunThatIsToldToEndEndsWith0AndTheProgramIsGone(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := filepath.Join(t.TempDir(), "began")
	var out, errs log
	result := make(chan int, 1)
	go func() {
		result <- run(ctx, []string{
			"run", "--lease", server.DSN(), "--name", "pink", "--grace", "100ms", "--",
			"sh", "-c", "trap '' TERM; echo $$ > " + began + "; while :; do sleep 1; done",
		}, strings.NewReader(""), &out, &errs, nil)
	}()
	var pid int
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(began) // not yet
		_, err := fmt.Sscanln(string(text), &pid)
		return err == nil
	}, testkit.Patience, 10*time.Millisecond)
	cancel()
	assert.Equal(t, codeAll, <-result)
	assert.ErrorIs(t, syscall.Kill(-pid, 0), syscall.ESRCH)
}

func TestRunThatIsToldToEndBeforeTheDatabaseAnswersEndsWith0(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan int, 1)
	var out, errs log
	go func() {
		result <- run(ctx, []string{"run", "--lease", "postgres://a@" + silent.Addr().String() + "/", "--name", "pink", "--", "true"},
			strings.NewReader(""), &out, &errs, nil)
	}()
	conn, err := silent.Accept()
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	cancel()
	assert.Equal(t, codeAll, <-result)
}

// patience is how long something may take in which a lease expires.
const patience = 2 * time.Minute

// Two machines run a program that ignores SIGTERM and writes its token into one file, as
// does a process that it has started. Something happens to the first machine.
func TestNoProgramOfAHolderRunsAfterTheNextOneWasStarted(t *testing.T) { //nolint:tparallel // its cases run beside each other only
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	server := pgtest.Start(t)
	binary, err := os.Executable()
	require.NoError(t, err)
	for fault, happen := range map[string]func(t *testing.T, cantonlb, guard int){
		"cantonlb is killed": func(t *testing.T, cantonlb, _ int) {
			t.Helper()
			require.NoError(t, syscall.Kill(cantonlb, syscall.SIGKILL))
		},
		"cantonlb is stopped": func(t *testing.T, cantonlb, _ int) {
			t.Helper()
			require.NoError(t, syscall.Kill(cantonlb, syscall.SIGSTOP))
		},
		"the guard is stopped and cantonlb is told to end": func(t *testing.T, cantonlb, guard int) {
			t.Helper()
			require.NoError(t, syscall.Kill(guard, syscall.SIGSTOP))
			require.NoError(t, syscall.Kill(cantonlb, syscall.SIGTERM))
		},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			journal := filepath.Join(t.TempDir(), "journal")
			script := `trap '' TERM
				echo pids $PPID token $CANTONLB_LEASE_TOKEN >> ` + journal + `
				act() { while :; do echo token $CANTONLB_LEASE_TOKEN >> ` + journal + `; sleep 0.01; done; }
				act & act`
			machine := func() int {
				c := exec.Command(binary, "run", "--lease", server.DSN(), "--name", fault, "--ttl", "2s", "--grace", "100ms", "--",
					"sh", "-c", script)
				c.Env = append(os.Environ(), programKey+"=1")
				require.NoError(t, c.Start())
				t.Cleanup(func() {
					_ = c.Process.Signal(syscall.SIGCONT) // it may be stopped, or gone
					_ = c.Process.Signal(syscall.SIGTERM)
					_ = c.Wait()
				})
				return c.Process.Pid
			}
			first := machine()
			await := func(what string, times int) (lines []string) {
				require.Eventually(t, func() bool {
					lines = linesWith(journal, what)
					return len(lines) >= times
				}, patience, 10*time.Millisecond)
				return lines
			}
			var guard int
			_, err := fmt.Sscanf(await("pids", 1)[0], "pids %d", &guard)
			require.NoError(t, err)
			await("token", 10)
			machine()
			happen(t, first, guard)
			_, second, _ := strings.Cut(await("pids", 2)[1], "token ")
			await("token "+second, 100)
			tokens := slices.Compact(linesWith(journal, "token"))
			assert.Len(t, tokens, 2, "in the order in which they were written")
		})
	}
}

// linesWith returns the lines of a file that begin with a word.
func linesWith(file, word string) (list []string) {
	text, _ := os.ReadFile(file) // not yet
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, word) && strings.HasSuffix(line, "\n") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

func TestRunRefusesWhatIsWrongWithoutShowingAPassword(t *testing.T) {
	const nowhere = "postgres://a:geheim@127.0.0.1:1/" // it is not asked
	for want, args := range map[string][]string{
		"--lease, or CANTONLB_LEASE: want":    {"run", "--name", "pink", "--", "true"},
		"want a connection string":            {"run", "--lease", "postgres://a:geheim@:x/", "--name", "pink", "--", "true"},
		"no program: want it after the flags": {"run", "--name", "pink"},
		"Health: want an http or https":       {"run", "--lease", nowhere, "--name", "pink", "--health", "ftp://a", "--", "true"},
		`lease: Name ""`:                      {"run", "--lease", nowhere, "--", "true"},
		"Grace -1s: want":                     {"run", "--lease", nowhere, "--name", "pink", "--grace", "-1s", "--", "true"},
		"--grace 0s: want":                    {"run", "--lease", nowhere, "--name", "pink", "--grace", "0", "--", "true"},
		"--ttl 0s: want":                      {"run", "--lease", nowhere, "--name", "pink", "--ttl", "0", "--", "true"},
		"lease: TTL 1ms: want":                {"run", "--lease", nowhere, "--name", "pink", "--ttl", "1ms", "--", "true"},
		"--with-health: given 1 times":        {"run", "--name", "pink", "--with-health", "http://a", "--", "true"},
		`--with " ": want a command`:          {"run", "--name", "pink", "--with", " ", "--", "true"},
	} {
		got := command(t, args...)
		assert.Equal(t, codeUsage, got.code)
		assert.Contains(t, got.errs, want)
		assert.NotContains(t, got.errs, "geheim")
	}
}
