//go:build unix

package leases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease"
)

// measurement is one fault of one peer, which has a process of its own, in a network of
// its own if it is Private.
type measurement struct {
	Peer    string        `json:"peer"`
	Fault   string        `json:"fault"`
	Run     int           `json:"run"`
	TTL     time.Duration `json:"ttl"`
	Private bool          `json:"private"`
}

// message is what that process says: once that it is ready, and then what it has
// measured; or why it cannot.
type message struct {
	Missing string `json:"missing"`
	Error   string `json:"error"`
	Value   *Value `json:"value"`
}

// storeHost is the address of the store in a network of its own.
const storeHost = "10.77.255.1"

// measurementProcess is the process of a measurement.
func measurementProcess(ctx context.Context, text string) error {
	var m measurement
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	err := within(ctx, func(t testing.TB) error {
		s, err := m.prepare(ctx, t)
		if err != nil {
			return err
		}
		if err := errors.Join(out.Encode(message{}), await()); err != nil {
			return err
		}
		v, err := m.measure(ctx, s)
		if err != nil {
			return err
		}
		return out.Encode(message{Value: &v})
	})
	switch {
	case errors.Is(err, errMissing):
		return out.Encode(message{Missing: err.Error()})
	case err != nil:
		return out.Encode(message{Error: err.Error()})
	}
	return nil
}

// prepare starts the store, a holder and a candidate that watches.
func (m measurement) prepare(ctx context.Context, t testing.TB) (*situation, error) {
	host := "127.0.0.1"
	if m.Private {
		host = storeHost
		err := netns.Up(ctx, os.Getpid())
		if err == nil {
			err = netns.Inside(ctx, os.Getpid(), "", "ip", "address", "add", storeHost+"/32", "dev", "lo")
		}
		if err != nil {
			return nil, err
		}
	}
	p, _ := peerNamed(m.Peer)
	f := faultNamed(m.Fault)
	s := &situation{ttl: m.TTL}
	var err error
	if s.store, err = startStore(t, p.store, host, f); err != nil { //nolint:contextcheck // t ends it
		return nil, err
	}
	c := config{Peer: m.Peer, TTL: m.TTL, Retire: f.retire}
	c.Address, c.Direct = s.store.addresses()
	if s.holder, err = start(t, c, 1, m.Private); err != nil { //nolint:contextcheck // the same
		return nil, err
	}
	if err = s.holder.await(ctx); err != nil {
		return nil, err
	}
	if s.other, err = start(t, c, 2, m.Private); err != nil { //nolint:contextcheck // the same
		return nil, err
	}
	sleep.For(ctx, m.TTL) // the candidate watches by then
	return s, ctx.Err()
}

func (m measurement) measure(ctx context.Context, s *situation) (v Value, err error) {
	s.began = lease.System()
	if err := faultNamed(m.Fault).happen(ctx, s); err != nil {
		return v, err
	}
	v = judge(s, lease.System())
	v.Peer, v.Fault, v.Run = m.Peer, m.Fault, m.Run
	list, ok, err := s.store.commits(ctx)
	v.Commits, v.Stale, v.Uncounted = len(list), stale(list), !ok
	return v, errors.Join(err, ctx.Err())
}

// measurer is such a process, as its parent sees it.
type measurer struct {
	measurement

	command *exec.Cmd
	stdin   io.WriteCloser
	out     *json.Decoder
	stderr  bytes.Buffer // to be read once it has ended
}

func startMeasurer(m measurement) (*measurer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	p := &measurer{measurement: m, command: exec.Command(self)} //nolint:gosec,noctx // this program; end ends it
	p.command.Env = append(os.Environ(), measurementKey+"="+string(text))
	p.command.Stderr = &p.stderr
	netns.Separate(p.command, m.Private)
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	return p, p.command.Start()
}

// next returns what the process says next.
func (p *measurer) next() (m message, err error) {
	if err := p.out.Decode(&m); err != nil {
		return m, fmt.Errorf("%s, %s: the process has ended: %w: %s", p.Peer, p.Fault, err, p.stderr.Bytes())
	}
	switch {
	case m.Missing != "":
		err = fmt.Errorf("%w: %s", errMissing, m.Missing)
	case m.Error != "":
		err = errors.New(m.Error)
	default:
		return m, nil
	}
	return m, fmt.Errorf("%s, %s: %w", p.Peer, p.Fault, err)
}

// proceed lets the fault happen.
func (p *measurer) proceed() error {
	_, err := p.stdin.Write([]byte("\n"))
	return err
}

// end waits until the process has ended what it has started.
func (p *measurer) end() {
	_ = p.stdin.Close()
	_ = p.command.Wait() // it has said how it went
}
