//go:build unix

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/process"
)

const (
	patience = 60 * time.Second
	// ttl is that of the leases whose end a test waits for. The others are longer, so that
	// a busy machine does not lose them.
	ttl     = 2 * time.Second
	longTTL = 5 * time.Minute
)

// tolerant is a health check that programs pass on a busy machine, too.
var tolerant = healthcheck.Config{Interval: time.Second, Timeout: time.Second, SuspectInterval: 50 * time.Millisecond, Fall: 3}

// waits says that the test waits for seconds, beside other tests, and leaves it out with
// -short.
func waits(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("waits for seconds: left out with -short")
	}
	t.Parallel()
}

// script is a shell script that writes its pid, and that of its guard, into a file of the
// folder, one line for each start, before it does the rest.
func script(folder, rest string) []string {
	return []string{"sh", "-c", `echo $$ $PPID >> ` + filepath.Join(folder, "pids") + "\n" + rest}
}

// sleeps is a program that does nothing, for as long as it may.
const sleeps = "while :; do sleep 1; done"

func config(s *leasetest.Link, command []string) process.Config {
	return process.Config{
		Lease:   lease.Config{Store: s, Name: "pink", TTL: longTTL, Logger: slog.New(slog.DiscardHandler)},
		Command: command, Pause: 10 * time.Millisecond, Grace: 300 * time.Millisecond,
	}
}

// expiring is a config with a lease whose end the test waits for.
func expiring(s *leasetest.Link, command []string) process.Config {
	cfg := config(s, command)
	cfg.Lease.TTL = ttl
	return cfg
}

// pids returns the pid and the guard's of each start.
func pids(folder string) (list [][2]int) {
	text, _ := os.ReadFile(filepath.Join(folder, "pids")) // none yet
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		pid, _ := strconv.Atoi(words[0])
		guard, _ := strconv.Atoi(words[1])
		list = append(list, [2]int{pid, guard})
	}
	return list
}

// started waits for the nth start, and returns the pids.
func started(t *testing.T, folder string, n int) (pid, guard int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(pids(folder)) >= n }, patience, 10*time.Millisecond, "it was not started")
	list := pids(folder)
	return list[n-1][0], list[n-1][1]
}

func gone(pid int) bool { return errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) }

// awaitGone waits until the process group is gone, and returns how long that took.
func awaitGone(t *testing.T, pid int) time.Duration {
	t.Helper()
	began := time.Now()
	require.Eventually(t, func() bool { return gone(pid) }, patience, 5*time.Millisecond, "it is still there")
	return time.Since(began)
}

// run runs the supervisor until the end of the test.
func run(t *testing.T, cfg process.Config) (stop context.CancelFunc, result <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	results, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		results <- process.Run(ctx, cfg)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return stop, results
}

func free(t *testing.T, s *leasetest.Store) {
	t.Helper()
	r, err := s.Read(context.Background(), "pink")
	require.NoError(t, err)
	assert.True(t, r.Free(), "the lease was released")
}

func TestAProgramThatEndsWellEndsTheSupervision(t *testing.T) {
	t.Parallel()
	s, folder := leasetest.NewStore(), t.TempDir()
	cfg := config(s.Link(), script(folder, `echo "$CANTONLB_LEASE_NAME $CANTONLB_LEASE_TOKEN ${CANTONLB_LEASE_HOLDER:+holder} ${CANTONLB_LEASE_GUARD:-none}"`))
	output := new(strings.Builder)
	cfg.Stdout = output
	require.NoError(t, process.Run(t.Context(), cfg))
	assert.Equal(t, "pink 1 holder none\n", output.String())
	free(t, s)
}

func TestAProgramThatEndsAtOnceIsStartedAgainSomeTimes(t *testing.T) {
	t.Parallel()
	s, folder := leasetest.NewStore(), t.TempDir()
	err := process.Run(t.Context(), config(s.Link(), script(folder, "exit 3")))
	require.ErrorIs(t, err, process.ErrNotHelped)
	assert.ErrorContains(t, err, "code 3")
	assert.Len(t, pids(folder), 4, "once, and three times again")
	free(t, s)
}

func TestAProgramIsNotStartedAgainIfItShouldNotBe(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cfg := config(leasetest.NewStore().Link(), script(folder, "kill -9 $$"))
	cfg.Restart = -1
	assert.ErrorContains(t, process.Run(t.Context(), cfg), "signal 9")
	assert.Len(t, pids(folder), 1)
}

func TestAProgramThatDoesNotExistIsAnError(t *testing.T) {
	t.Parallel()
	cfg := config(leasetest.NewStore().Link(), []string{"/does/not/exist"})
	err := process.Run(t.Context(), cfg)
	require.ErrorIs(t, err, process.ErrNotHelped)
	assert.ErrorContains(t, err, "no such file")
}

func TestAProgramThatIgnoresSIGTERMIsKilledAfterItsGrace(t *testing.T) {
	t.Parallel()
	s, folder := leasetest.NewStore(), t.TempDir()
	stop, result := run(t, config(s.Link(), script(folder, "trap '' TERM\n"+sleeps)))
	pid, _ := started(t, folder, 1)
	stop()
	require.ErrorIs(t, <-result, context.Canceled)
	assert.True(t, gone(pid))
	free(t, s)
}

func TestAProgramThatHeedsSIGTERMEndsInGoodOrder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cfg := config(leasetest.NewStore().Link(), script(folder, `trap 'touch `+filepath.Join(folder, "well")+`; exit 0' TERM
		while :; do sleep 0.01; done`))
	cfg.Grace = patience
	stop, result := run(t, cfg)
	started(t, folder, 1)
	stop()
	require.ErrorIs(t, <-result, context.Canceled)
	assert.FileExists(t, filepath.Join(folder, "well"))
}

// escape is the line of a script that starts a process which leaves the program's group, and writes its
// pid into the file of the folder; "" where there is no setsid, or its end is not promised.
func escape(folder string) string {
	if _, err := exec.LookPath("setsid"); err != nil || runtime.GOOS != "linux" {
		return ""
	}
	return "setsid sh -c 'echo $$ 0 >> " + filepath.Join(folder, "pids") + "; exec sleep 1000' &\n"
}

func TestNothingThatTheProgramHasStartedIsLeft(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	escapes := escape(folder)
	stop, result := run(t, config(leasetest.NewStore().Link(), script(folder, "sleep 1000 &\n(sleep 1000; sleep 1000) &\n"+escapes+sleeps)))
	started(t, folder, 1)
	if escapes != "" {
		started(t, folder, 2)
	}
	stop()
	require.ErrorIs(t, <-result, context.Canceled)
	for _, p := range pids(folder) {
		awaitGone(t, p[0])
	}
}

// hangs is an answer of a health page that does not come.
const hangs = 0

// health is a health page of programs.
type health struct {
	*httptest.Server

	answer atomic.Int64 // a status, or hangs
	asked  chan struct{}
}

func newHealth(t *testing.T) *health {
	t.Helper()
	h := &health{asked: make(chan struct{})}
	h.answer.Store(http.StatusOK)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := h.answer.Load()
		if answer == hangs {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(int(answer))
		select {
		case h.asked <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// awaitHealthy waits until a first answer was taken, as the second request shows.
func (h *health) awaitHealthy() {
	<-h.asked
	<-h.asked
}

func TestAProgramThatIsUnwellIsStartedAgainAndThenLeftToOthers(t *testing.T) {
	waits(t)
	s, folder := leasetest.NewStore(), t.TempDir()
	h := newHealth(t)
	cfg := config(s.Link(), script(folder, sleeps))
	cfg.Health, cfg.HealthCheck, cfg.Restart, cfg.StartTime = h.URL, tolerant, 1, 4*time.Second
	_, result := run(t, cfg)
	pid, _ := started(t, folder, 1)
	h.awaitHealthy()
	h.answer.Store(http.StatusServiceUnavailable)
	err := <-result
	require.ErrorIs(t, err, process.ErrNotHelped)
	assert.ErrorContains(t, err, "it was not well within", "the second one never was")
	assert.True(t, gone(pid))
	assert.Len(t, pids(folder), 2)
	free(t, s)
}

func TestALostLeaseKillsTheProgramBeforeItPassesOn(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	link := leasetest.NewStore().Link()
	cfg := expiring(link, script(folder, "trap '' TERM\n"+sleeps))
	cfg.Grace = patience
	run(t, cfg)
	pid, _ := started(t, folder, 1)
	link.Cut()
	assert.Less(t, awaitGone(t, pid), ttl+patience/10)
	link.Heal()
	again, _ := started(t, folder, 2)
	assert.NotEqual(t, pid, again)
	link.Cut()
	awaitGone(t, again)
}

// hears returns a logger that calls f with each message.
func hears(f func(message string)) *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { //nolint:sloglint // it hears
		if a.Key == slog.MessageKey {
			f(a.Value.String())
		}
		return a
	}}))
}

// A log handler that hangs, such as one whose standard error is a pipe that is full, holds nothing up: neither
// the end of the program, nor what its health demands.
func TestALoggerThatHangsKeepsNoProgramAlive(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	page := newHealth(t)
	hang := make(chan struct{})
	s := leasetest.NewStore()
	cfg := config(s.Link(), script(folder, "trap '' TERM\n"+sleeps))
	cfg.Health, cfg.HealthCheck = page.URL, tolerant
	cfg.Lease.Logger = hears(func(string) { <-hang })
	stop, result := run(t, cfg)
	t.Cleanup(func() { close(hang) })
	first, _ := started(t, folder, 1)
	page.awaitHealthy()
	page.answer.Store(http.StatusInternalServerError)
	second, _ := started(t, folder, 2)
	assert.True(t, gone(first))
	stop()
	awaitGone(t, second)
	require.ErrorIs(t, <-result, context.Canceled)
	free(t, s)
}

// A program that has failed is not started once more when its supervision, or the lease, ends in the
// pause before that.
func TestAProgramIsNotStartedAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(stop func(), link *leasetest.Link){
		"ctx":   func(stop func(), _ *leasetest.Link) { stop() },
		"lease": func(_ func(), link *leasetest.Link) { link.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link := leasetest.NewStore().Link()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			cfg := config(link, []string{"sh", "-c", "exit 1"})
			cfg.Pause = patience
			if name == "lease" {
				cfg.Lease.TTL = ttl
			}
			starts := 0
			cfg.Lease.Logger = hears(func(message string) {
				switch message {
				case "the program was started":
					starts++
				case "the program has failed":
					end(stop, link)
				}
			})
			cfg.Lease.Observe = func(e lease.Event) {
				if e.Kind == lease.EventLost {
					stop()
				}
			}
			require.ErrorIs(t, process.Run(ctx, cfg), context.Canceled)
			assert.Equal(t, 1, starts)
		})
	}
}

// A guard that is told the end of a lease that has ended by then does not start the program.
func TestAGuardStartsNothingAfterTheLease(t *testing.T) {
	t.Parallel()
	started := filepath.Join(t.TempDir(), "started")
	commands, tell, err := os.Pipe()
	require.NoError(t, err)
	reports, report, err := os.Pipe()
	require.NoError(t, err)
	guard := exec.Command(os.Args[0], "touch", started)
	guard.Env = append(os.Environ(), "CANTONLB_LEASE_GUARD=guard")
	guard.ExtraFiles = []*os.File{commands, report}
	_, err = fmt.Fprintf(tell, "until %d\n", lease.System()-1)
	require.NoError(t, err)
	require.NoError(t, guard.Start())
	require.NoError(t, errors.Join(commands.Close(), report.Close()))
	said, err := io.ReadAll(reports)
	require.NoError(t, err)
	require.NoError(t, guard.Wait())
	require.NoError(t, errors.Join(tell.Close(), reports.Close()))
	assert.Contains(t, string(said), "exited signal 9")
	assert.NoFileExists(t, started)
}

func TestAGuardThatIsKilledTakesTheProgramWithIt(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	run(t, config(leasetest.NewStore().Link(), script(folder, "sleep 1000 &\n"+sleeps)))
	pid, guard := started(t, folder, 1)
	require.NoError(t, syscall.Kill(guard, syscall.SIGKILL))
	awaitGone(t, pid)
	started(t, folder, 2)
}

func TestAGuardThatIsStoppedDoesNotKeepTheProgramAlive(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	link := leasetest.NewStore().Link()
	run(t, expiring(link, script(folder, sleeps)))
	pid, guard := started(t, folder, 1)
	require.NoError(t, syscall.Kill(guard, syscall.SIGSTOP))
	link.Cut()
	assert.Less(t, awaitGone(t, pid), ttl+patience/10)
}

// What has left the program's group is known to the guard alone, which is killed if it does not do its work.
func TestAGuardThatIsStoppedKeepsNothingAliveThatHasLeftTheGroup(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	escapes := escape(folder)
	if escapes == "" {
		t.Skip("it needs Linux, and setsid")
	}
	link := leasetest.NewStore().Link()
	run(t, expiring(link, script(folder, escapes+"(setsid sleep 1000 &)\n"+sleeps)))
	started(t, folder, 2)
	var guard int
	for _, p := range pids(folder) {
		guard = max(guard, p[1])
	}
	require.NoError(t, syscall.Kill(guard, syscall.SIGSTOP))
	link.Cut()
	for _, p := range pids(folder) {
		awaitGone(t, p[0])
	}
}

func TestSignalsAreForwarded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	signals := make(chan os.Signal, 1)
	cfg := config(leasetest.NewStore().Link(), script(folder, `trap 'exit 0' USR1
		echo 0 0 >> `+filepath.Join(folder, "pids")+`
		while :; do sleep 0.01; done`))
	cfg.Signals = signals
	_, result := run(t, cfg)
	started(t, folder, 2) // the trap is set
	signals <- syscall.SIGUSR1
	assert.NoError(t, <-result)
}

func TestASignalThatCameBeforeTheProgramIsNotForwarded(t *testing.T) {
	t.Parallel()
	signals := make(chan os.Signal, 2)
	signals <- syscall.SIGHUP // while this was a candidate, say
	signals <- syscall.SIGUSR1
	cfg := config(leasetest.NewStore().Link(), []string{"sleep", "0.1"})
	cfg.Signals, cfg.Restart = signals, -1
	_, result := run(t, cfg)
	assert.NoError(t, <-result)
}

func TestSignalsMayEnd(t *testing.T) {
	t.Parallel()
	signals := make(chan os.Signal)
	close(signals)
	cfg := config(leasetest.NewStore().Link(), []string{"sleep", "0.1"})
	cfg.Signals = signals
	_, result := run(t, cfg)
	assert.NoError(t, <-result)
}

func TestABadConfigIsRefused(t *testing.T) {
	for want, edit := range map[string]func(*process.Config){
		"Command is empty": func(c *process.Config) { c.Command = nil },
		"Lease.Clock":      func(c *process.Config) { c.Lease.Clock = lease.Monotonic },
		"Health: want":     func(c *process.Config) { c.Health = "ftp://x" },
		"HealthCheck":      func(c *process.Config) { c.HealthCheck.Interval = -1 },
		"Grace -1ns":       func(c *process.Config) { c.Grace = -1 },
		"With[0].Command":  func(c *process.Config) { c.With = make([]process.Companion, 1) },
		"With[1].Health": func(c *process.Config) {
			c.With = []process.Companion{{Command: c.Command}, {Command: c.Command, Health: "x"}}
		},
		"With: 11 programs": func(c *process.Config) { c.With = make([]process.Companion, 11) },
		"lease: Name":       func(c *process.Config) { c.Lease.Name = "" },
	} {
		cfg := config(leasetest.NewStore().Link(), []string{"true"})
		assert.NoError(t, cfg.Check())
		edit(&cfg)
		assert.ErrorContains(t, process.Run(t.Context(), cfg), want)
		assert.ErrorContains(t, cfg.Check(), want)
	}
}

// superviseKey has the test's own binary be a supervisor in that folder.
const superviseKey = "CANTONLB_TEST_SUPERVISE"

func supervise() {
	folder := os.Getenv(superviseKey)
	if folder == "" {
		return
	}
	err := process.Run(context.Background(), expiring(leasetest.NewStore().Link(), script(folder, "trap '' TERM\n"+sleeps)))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1) //nolint:revive // it is the process of a supervisor, and no more
}

// supervisor starts a supervisor as a process.
func supervisor(t *testing.T, folder string) int {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), superviseKey+"="+folder)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		for _, p := range pids(folder) {
			_ = syscall.Kill(p[1], syscall.SIGKILL)
			awaitGone(t, p[0])
		}
	})
	return c.Process.Pid
}

func TestASupervisorThatIsKilledTakesTheProgramWithIt(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	pid := supervisor(t, folder)
	program, _ := started(t, folder, 1)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	awaitGone(t, program)
}

func TestASupervisorThatIsStoppedDoesNotKeepTheProgramAlive(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	pid := supervisor(t, folder)
	program, _ := started(t, folder, 1)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	assert.Less(t, awaitGone(t, program), ttl+patience/10)
}

// The documented limit: with both stopped, the program continues until one of them does. A
// guard whose supervisor is killed is continued by most systems.
func TestWithGuardAndSupervisorStoppedTheProgramEndsWhenOneOfThemContinues(t *testing.T) {
	waits(t)
	for _, c := range []struct {
		name       string
		supervisor syscall.Signal
		guard      bool // continues, and not the supervisor
	}{
		{"the supervisor continues", syscall.SIGSTOP, false},
		{"the guard continues", syscall.SIGSTOP, true},
		{"the guard continues after the supervisor was killed", syscall.SIGKILL, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			pid := supervisor(t, folder)
			program, guard := started(t, folder, 1)
			require.NoError(t, syscall.Kill(guard, syscall.SIGSTOP))
			require.NoError(t, syscall.Kill(pid, c.supervisor))
			if c.supervisor == syscall.SIGSTOP {
				wait := time.NewTimer(ttl + ttl/2)
				<-wait.C
				require.False(t, gone(program), "if it is, the documentation promises too little")
			}
			if c.guard {
				pid = guard
			}
			require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
			awaitGone(t, program)
		})
	}
}

// A program that hangs answers neither its health page nor SIGTERM.
func TestAProgramThatHangsIsKilledAndStartedAgain(t *testing.T) {
	waits(t)
	folder := t.TempDir()
	h := newHealth(t)
	cfg := config(leasetest.NewStore().Link(), script(folder, sleeps))
	cfg.Health, cfg.HealthCheck = h.URL, tolerant
	stop, result := run(t, cfg)
	program, _ := started(t, folder, 1)
	h.awaitHealthy()
	h.answer.Store(hangs)
	require.NoError(t, syscall.Kill(-program, syscall.SIGSTOP))
	awaitGone(t, program)
	h.answer.Store(http.StatusOK)
	started(t, folder, 2)
	stop()
	require.ErrorIs(t, <-result, context.Canceled)
}

func TestWithSupervisorAndGuardKilledTheProgramItselfIsKilled(t *testing.T) {
	waits(t)
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the parent-death signal")
	}
	folder := t.TempDir()
	pid := supervisor(t, folder)
	program, guard := started(t, folder, 1)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP)) // so that it does not kill first
	require.NoError(t, syscall.Kill(guard, syscall.SIGKILL))
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return errors.Is(syscall.Kill(program, 0), syscall.ESRCH) }, patience, 5*time.Millisecond)
	_ = syscall.Kill(-program, syscall.SIGKILL) // what it had started, which is the documented limit
}
