//go:build unix

package proctest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long what must happen is waited for.
const patience = 60 * time.Second

// entry is one line of a candidate.
type entry struct {
	who   *Candidate
	what  string
	token uint64
	at    time.Duration // by lease.System, which all processes of a machine share
}

// Ledger is what all candidates of a test have written down.
type Ledger struct {
	address string
	name    string // of the lease
	ttl     time.Duration

	mu      sync.Mutex
	entries []entry
	starts  []entry
	changed chan struct{} // closed and replaced with each start and each sight
}

// NewLedger returns an empty Ledger, for candidates of a lease of its own at address.
func NewLedger(address string, ttl time.Duration) *Ledger {
	name := fmt.Sprintf("proctest-%016x", rand.Uint64())
	return &Ledger{address: address, name: name, ttl: ttl, changed: make(chan struct{})}
}

// Candidate is a process.
type Candidate struct {
	command *exec.Cmd
	ended   chan struct{}
	stderr  bytes.Buffer // to be read once it has ended
	seen    bool         // guarded by the Ledger's mu: it has seen another holder
}

// Start starts a candidate, until the end of the test.
func (l *Ledger) Start(t testing.TB) *Candidate {
	t.Helper()
	c := &Candidate{command: exec.Command(os.Args[0]), ended: make(chan struct{})} //nolint:gosec,noctx // this very test; the cleanup ends it
	c.command.Env = append(os.Environ(), addressKey+"="+l.address, nameKey+"="+l.name, ttlKey+"="+l.ttl.String())
	c.command.Stderr = &c.stderr
	c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			l.take(c, lines.Text())
		}
		_ = c.command.Wait() // how it ends is the test's doing
	}()
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("candidate %d:\n%s", c.command.Process.Pid, c.stderr.String())
		}
	})
	return c
}

func (l *Ledger) take(c *Candidate, line string) {
	e := entry{who: c}
	if _, err := fmt.Sscan(strings.TrimSpace(line), &e.what, &e.token, (*int64)(&e.at)); err != nil {
		return // a test framework's own line
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	switch e.what {
	case "start":
		l.starts = append(l.starts, e)
	case "seen":
		c.seen = true
	default:
		return
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// Signal sends the process a signal.
func (c *Candidate) Signal(s syscall.Signal) { _ = c.command.Process.Signal(s) } // it may be gone

// Kill kills the process, and waits until it is gone.
func (c *Candidate) Kill() {
	c.Signal(syscall.SIGKILL)
	<-c.ended
}

// await waits until ok says so.
func (l *Ledger) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		l.mu.Lock()
		done, changed := ok(), l.changed
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// AwaitHolder waits until a candidate has the lease that is none of those, and returns
// it, with the reading of lease.System at which its work has started.
func (l *Ledger) AwaitHolder(t testing.TB, not ...*Candidate) (holder *Candidate, at time.Duration) {
	t.Helper()
	l.await(t, "another holder", func() bool {
		if len(l.starts) == 0 {
			return false
		}
		last := l.starts[len(l.starts)-1]
		holder, at = last.who, last.at
		return !slices.Contains(not, last.who)
	})
	return holder, at
}

// AwaitSight waits until the candidate has seen another holder.
func (l *Ledger) AwaitSight(t testing.TB, c *Candidate) {
	t.Helper()
	l.await(t, "a candidate that watches", func() bool { return c.seen })
}

// Acts returns how many actions the candidate has taken.
func (l *Ledger) Acts(c *Candidate) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.who == c && e.what == "act" {
			n++
		}
	}
	return n
}

// last returns when the candidate has acted last.
func (l *Ledger) last(c *Candidate) (at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.who == c && e.what == "act" {
			at = max(at, e.at)
		}
	}
	return at
}

// Judge fails the test for each action of a holder after another one has started, and
// for each token that is not greater than those before.
func (l *Ledger) Judge(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	acts := 0
	for _, e := range l.entries {
		if e.what != "act" {
			continue
		}
		acts++
		for _, s := range l.starts {
			if s.token > e.token && s.at < e.at {
				t.Errorf("an action with token %d, %v after the start of token %d", e.token, e.at-s.at, s.token)
			}
		}
	}
	for _, a := range l.starts {
		for _, b := range l.starts {
			if a.at < b.at && a.token >= b.token {
				t.Errorf("token %d after %d", b.token, a.token)
			}
		}
	}
	t.Logf("%d actions of %d holders", acts, len(l.starts))
}
