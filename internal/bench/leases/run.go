//go:build unix

package leases

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease"
)

const defaultTTL = 3 * time.Second

// Peers returns the names of what is compared.
func Peers() (names []string) {
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

// Run measures all peers. A peer whose store is not installed is left out, with a line
// in the log.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	report := &Report{TTL: o.TTL}
	type job struct {
		peer
		fault
		run int
	}
	var jobs []job
	for run := range o.Runs {
		for _, p := range peers {
			for _, f := range faults {
				if among(o.Peers, p.name) && among(o.Faults, f.name) && (!o.Short || !f.store) {
					jobs = append(jobs, job{p, f, run})
				}
			}
		}
	}
	random := rand.New(rand.NewPCG(o.Seed, 0))
	random.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	for i, j := range jobs {
		v, err := measure(ctx, j.peer, j.fault, o.TTL)
		switch {
		case errors.Is(err, errImpossible):
			continue
		case errors.Is(err, errMissing):
			sayf(o.Log, "%s: left out: %v\n", j.peer.name, err)
			continue
		case err != nil:
			return report, fmt.Errorf("%s, %s: %w", j.peer.name, j.fault.name, err)
		}
		v.Run = j.run
		report.Values = append(report.Values, v)
		sayf(o.Log, "lease: %d of %d: %v\n", i+1, len(jobs), v)
	}
	return report, nil
}

// among reports whether names has this one, or is nil.
func among(names []string, name string) bool { return names == nil || slices.Contains(names, name) }

func sayf(w io.Writer, format string, args ...any) {
	if w != nil {
		_, _ = fmt.Fprintf(w, format, args...) // progress
	}
}

// errImpossible is the error of a fault that the peer's store cannot have.
var errImpossible = errors.New("the store cannot have this fault")

// measure starts the store, a holder and a candidate, and lets the fault happen.
func measure(ctx context.Context, p peer, f fault, ttl time.Duration) (v Value, err error) {
	if f.store && p.store == kubernetes {
		return v, errImpossible
	}
	err = within(ctx, func(t testing.TB) error {
		s := &situation{ttl: ttl}
		var err error
		if s.store, err = startStore(t, p.store); err != nil { //nolint:contextcheck // t ends it
			return err
		}
		if s.holder, err = start(t, p, s); err != nil {
			return err
		}
		if err = s.holder.await(ctx); err != nil {
			return err
		}
		if s.other, err = start(t, p, s); err != nil {
			return err
		}
		sleep.For(ctx, ttl) // the candidate watches by then
		s.began = lease.System()
		f.happen(ctx, s)
		v = judge(s, lease.System())
		v.Peer, v.Fault = p.name, f.name
		return ctx.Err()
	})
	return v, err
}

// candidate is a process.
type candidate struct {
	command *exec.Cmd
	link    *link
	ended   chan struct{}

	mu      sync.Mutex
	started []time.Duration // by lease.System
	acted   []time.Duration
	changed chan struct{}
}

// start starts a candidate behind a link of its own, until the end of t.
func start(t testing.TB, p peer, s *situation) (*candidate, error) {
	link, address, err := s.store.link()
	if err != nil {
		return nil, err
	}
	t.Cleanup(link.close)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &candidate{
		link:    link,
		command: exec.Command(self), //nolint:gosec,noctx // this program
		ended:   make(chan struct{}), changed: make(chan struct{}, 1),
	}
	c.command.Env = append(os.Environ(), peerKey+"="+p.name, addressKey+"="+address, ttlKey+"="+s.ttl.String())
	c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	go c.follow(output)
	t.Cleanup(func() {
		c.signal(syscall.SIGKILL)
		<-c.ended
	})
	return c, nil
}

func (c *candidate) signal(s syscall.Signal) { _ = c.command.Process.Signal(s) } // it may be gone

func (c *candidate) follow(output io.Reader) {
	defer close(c.ended)
	for lines := bufio.NewScanner(output); lines.Scan(); {
		var (
			what string
			at   time.Duration
		)
		if _, err := fmt.Sscan(strings.TrimSpace(lines.Text()), &what, (*int64)(&at)); err != nil {
			continue
		}
		c.mu.Lock()
		switch what {
		case started:
			c.started = append(c.started, at)
		case acted:
			c.acted = append(c.acted, at)
		}
		c.mu.Unlock()
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
	_ = c.command.Wait() // how it ends is the fault's doing
}

// await waits until the candidate acts.
func (c *candidate) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c.mu.Lock()
		acts := len(c.acted)
		c.mu.Unlock()
		if acts > 0 {
			return nil
		}
		select {
		case <-c.changed:
		case <-c.ended:
			return errors.New("the candidate has ended before it held the lease")
		case <-ctx.Done():
			return errors.New("the candidate does not become the holder")
		}
	}
}

func (c *candidate) starts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.started)
}

// term is one time in which a candidate was a holder.
type term struct {
	who   *candidate
	begin time.Duration
}

// judge compares what both processes have done since the fault began.
func judge(s *situation, end time.Duration) (v Value) {
	var terms []term
	var acts []time.Duration
	for _, c := range []*candidate{s.holder, s.other} {
		c.mu.Lock()
		defer c.mu.Unlock() //nolint:revive // both are read until the end
		for _, at := range c.started {
			terms = append(terms, term{c, at})
		}
		acts = append(acts, c.acted...)
	}
	slices.SortFunc(terms, func(a, b term) int { return int(a.begin - b.begin) })
	for _, c := range []*candidate{s.holder, s.other} {
		for _, at := range c.acted {
			if late := overlap(terms, c, at); late > 0 {
				v.Overlap++
				v.Late = max(v.Late, late)
			}
		}
	}
	slices.Sort(acts)
	last := s.began
	for _, at := range acts {
		if at < s.began {
			continue
		}
		v.Silence, last = max(v.Silence, at-last), at
	}
	v.None = end-last > s.ttl/2
	return v
}

// overlap returns by how much an action of c came after the begin of another holder's
// term that is newer than c's own; 0 if it did not.
func overlap(terms []term, c *candidate, at time.Duration) (late time.Duration) {
	for i, own := range terms {
		if own.who != c || own.begin > at || slices.ContainsFunc(terms[i+1:], func(t term) bool { return t.who == c && t.begin <= at }) {
			continue
		}
		for _, newer := range terms[i+1:] {
			if newer.who != c && newer.begin < at {
				late = max(late, at-newer.begin)
			}
		}
	}
	return late
}
