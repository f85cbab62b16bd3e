//go:build unix

package leases

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

// candidate is the process of one.
type candidate struct {
	number  int // of its cable
	command *exec.Cmd
	ended   chan struct{}

	mu      sync.Mutex
	started []time.Duration // by lease.System
	acted   []time.Duration
	changed chan struct{}
}

// start starts a candidate, until the end of t. With private, its network is of its own.
func start(t testing.TB, c config, number int, private bool) (*candidate, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p := &candidate{number: number, ended: make(chan struct{}), changed: make(chan struct{}, 1)}
	p.command = exec.Command(self) //nolint:gosec,noctx // this program; the cleanup ends it
	p.command.Env = append(os.Environ(), candidateKey+"="+string(text))
	p.command.Stderr = os.Stderr
	netns.Separate(p.command, private)
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go p.follow(output)
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
	})
	if private {
		if err := cable(t.Context(), p); err != nil {
			return nil, err
		}
	}
	_, err = stdin.Write([]byte("\n"))
	return p, err
}

// cable connects a candidate with this process, and with the store.
func cable(ctx context.Context, c *candidate) error {
	pid := c.command.Process.Pid
	if err := netns.Connect(ctx, os.Getpid(), pid, c.number); err != nil {
		return err
	}
	return netns.Inside(ctx, pid, "", "ip", "route", "add", storeHost, "via", netns.HubHost(c.number))
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
