package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

const (
	// startLimit is how long a child may take until it is ready, answerLimit is how
	// long it may take to carry out an order, and exitLimit is how long it may take
	// to end.
	startLimit  = 20 * time.Second
	answerLimit = 20 * time.Second
	exitLimit   = 2 * time.Second
	// tailSize is how many bytes of a process's standard error are kept.
	tailSize = 4 << 10
)

// process is a process that this program has started: a child or a proxy.
type process struct {
	name    string
	command *exec.Cmd
	errors  *tail
	stdin   io.WriteCloser
	ended   chan struct{} // closed when it has ended and all it wrote was read
	used    time.Duration // processor time, once it has ended
}

// start starts a process. read is called with its standard output, in a separate
// goroutine, and returns when that ends. hub, if not nil, is a process whose
// network namespace it shares; private gives it one of its own.
func start(name string, command []string, env []string, hub *process, private bool, read func(io.Reader)) (*process, error) {
	if hub != nil {
		namespace := "--net=/proc/" + strconv.Itoa(hub.pid()) + "/ns/net"
		command = append([]string{"nsenter", namespace, "--"}, command...)
	}
	p := &process{name: name, errors: new(tail), ended: make(chan struct{})}
	p.command = exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // made by this program; close ends it
	p.command.Env = append(os.Environ(), env...)
	p.command.Stderr = p.errors
	p.command.WaitDelay = exitLimit
	netns.Separate(p.command, private)
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.stdin = stdin
	go func() {
		defer close(p.ended)
		read(stdout)
		_ = p.command.Wait() // how it ended is in command.ProcessState
		p.used = p.command.ProcessState.UserTime() + p.command.ProcessState.SystemTime()
	}()
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

// kill ends the process by SIGKILL, even if it hangs, and waits for it.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may have ended
	<-p.ended
}

// close ends the process by closing its standard input, or by SIGKILL if that
// does not help, and waits for it. It may be called more than once.
func (p *process) close() {
	_ = p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(exitLimit):
		p.kill()
	}
}

// over returns an error that says how the process ended.
func (p *process) over() error {
	return fmt.Errorf("%s has ended: %v: %s", p.name, p.command.ProcessState, p.errors)
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// child is this program, started again.
type child struct {
	*process
	answers chan message // closed when it ends
	orders  *json.Encoder
}

// startChild starts a child. arrived is called with a server's reports, from one
// goroutine.
func startChild(name string, c childConfig, hub *process, private bool, arrived func(message)) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	answers := make(chan message, 1) // one order at a time
	p, err := start(name, []string{self}, []string{childEnv + "=" + string(config)}, hub, private, func(out io.Reader) {
		defer close(answers)
		for in := json.NewDecoder(out); ; {
			var m message
			if in.Decode(&m) != nil {
				_, _ = io.Copy(io.Discard, out)
				return
			}
			if m.Kind == saysArrived {
				arrived(m)
				continue
			}
			select {
			case answers <- m:
			default: // the last answer was not read, and this one will not be
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return &child{process: p, answers: answers, orders: json.NewEncoder(p.stdin)}, nil
}

// ready waits until the child is ready, and returns the time since which it is.
func (c *child) ready(ctx context.Context) (time.Time, error) {
	m, err := c.answer(ctx, startLimit)
	return m.At, err
}

// tell sends the child an order, waits until the child has carried it out, and
// returns when it took effect.
func (c *child) tell(ctx context.Context, o order) (time.Time, error) {
	if err := c.send(o); err != nil {
		return time.Time{}, err
	}
	m, err := c.answer(ctx, answerLimit)
	return m.At, err
}

// send sends the child an order without waiting for the answer.
func (c *child) send(o order) error {
	if err := c.orders.Encode(o); err != nil {
		return fmt.Errorf("tell %s to %s: %w", c.name, o.Op, err)
	}
	return nil
}

func (c *child) answer(ctx context.Context, limit time.Duration) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case m, ok := <-c.answers:
		switch {
		case !ok:
			<-c.ended
			return message{}, c.over()
		case m.Error != "":
			return message{}, errors.New(c.name + ": " + m.Error)
		}
		return m, nil
	case <-ctx.Done():
		return message{}, fmt.Errorf("%s does not answer: %w", c.name, ctx.Err())
	}
}
