//go:build unix

package jsonapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// Run measures all peers under all faults. All peers meet a fault at the same time, each
// with servers of its own. Peers whose program is not installed are left out.
func Run(ctx context.Context, o Options) (*Report, error) {
	before, hold, after := 2*time.Second, 6*time.Second, 4*time.Second
	if o.Short {
		before, hold, after = time.Second, 2*time.Second, 1500*time.Millisecond
	}
	report := &Report{deadline: deadline, hold: hold}
	present := slices.DeleteFunc(slices.Clone(peers), func(p peer) bool {
		if p.needs == "" {
			return false
		}
		_, err := exec.LookPath(p.needs)
		if err != nil {
			_, _ = fmt.Fprintf(o.Log, "http: %s is not installed: not measured\n", p.needs)
		}
		return err != nil
	})
	for run := range max(1, o.Runs) {
		for _, f := range faults {
			_, _ = fmt.Fprintf(o.Log, "http: run %d of %d, %s\n", run+1, max(1, o.Runs), f.name)
			values, err := measureAll(ctx, present, f, before, hold, after)
			if err != nil {
				return report, fmt.Errorf("%s: %w", f.name, err)
			}
			for _, v := range values {
				v.Run = run
				report.Values = append(report.Values, v)
			}
		}
	}
	return report, ctx.Err()
}

// call is one request.
type call struct {
	began  time.Time
	took   time.Duration
	failed bool
}

// measureAll measures peers under one fault, all at the same time.
func measureAll(ctx context.Context, peers []peer, f fault, before, hold, after time.Duration) ([]Value, error) {
	rigs := make([]*rig, len(peers))
	for i, p := range peers { // one after the other, so that no two have a port
		r, err := newRig(ctx, p)
		if err != nil {
			return nil, err
		}
		defer r.close() //nolint:revive // there are few
		rigs[i] = r
	}
	values, errs := make([]Value, len(rigs)), make([]error, len(rigs))
	start := time.Now().Add(ready)
	var wg sync.WaitGroup
	for i, r := range rigs {
		wg.Go(func() { values[i], errs[i] = r.measure(ctx, f, start, before, hold, after) })
	}
	wg.Wait()
	return values, errors.Join(errs...)
}

// rig is one peer with servers of its own.
type rig struct {
	peer    peer
	servers []*server
	client  *http.Client
	base    string
	end     func() // of the peer; nil if it has not begun
}

func newRig(ctx context.Context, p peer) (_ *rig, err error) {
	r := &rig{peer: p}
	defer func() {
		if err != nil {
			r.close()
			err = fmt.Errorf("%s: %w", p.name, err)
		}
	}()
	for range 2 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &server{port: port}
		if err := s.start(ctx); err != nil {
			return nil, err
		}
		r.servers = append(r.servers, s)
	}
	r.client, r.base, r.end, err = p.open(ctx, r.servers)
	return r, err
}

func (r *rig) close() {
	if r.end != nil {
		r.end()
	}
	for _, s := range r.servers {
		s.end(syscall.SIGKILL)
	}
}

// ready is how long it takes until connections are made and health is known.
const ready = time.Second

// measure makes requests from start on, while the servers suffer the fault.
func (r *rig) measure(ctx context.Context, f fault, start time.Time, before, hold, after time.Duration) (Value, error) {
	for range 20 {
		get(ctx, r.client, r.base)
		if err := sleep.Context(ctx, ready/40); err != nil {
			return Value{}, err
		}
	}
	if err := sleep.Context(ctx, time.Until(start)); err != nil {
		return Value{}, err
	}
	over := make(chan struct{})
	calls := make(chan []call, 1)
	go func() { calls <- load(ctx, r.client, r.base, over) }()
	err := sleep.Context(ctx, before)
	struck := time.Now()
	if err == nil {
		err = f.harm(ctx, hold, r.servers)
	}
	if err == nil {
		err = sleep.Context(ctx, after)
	}
	close(over)
	all := <-calls
	if err != nil {
		return Value{}, fmt.Errorf("%s: %w", r.peer.name, err)
	}
	return summarize(r.peer.name, f.name, all, struck), nil
}

// load makes requests at the rate until over is closed, whatever becomes of them. Each
// begins at a random time of its period: at a fixed one, what a peer takes depends on
// which other peer was at work just before.
func load(ctx context.Context, client *http.Client, base string, over <-chan struct{}) []call {
	var (
		mu  sync.Mutex
		all []call
		wg  sync.WaitGroup
	)
	ticker := time.NewTicker(time.Second / rate)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			wg.Wait()
			return all
		case <-ticker.C:
		}
		wg.Go(func() {
			if sleep.Context(ctx, rand.N(time.Second/rate)) != nil {
				return
			}
			c := get(ctx, client, base)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c)
		})
	}
}

// get makes one request.
func get(ctx context.Context, client *http.Client, base string) (c call) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	c = call{began: time.Now(), failed: true}
	defer func() { c.took = time.Since(c.began) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2/version", nil)
	if err != nil {
		return c
	}
	resp, err := client.Do(req)
	if err != nil {
		return c
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close() // it was read
	c.failed = err != nil || resp.StatusCode >= http.StatusInternalServerError
	return c
}

func summarize(peer, fault string, all []call, struck time.Time) Value {
	v := Value{Peer: peer, Fault: fault, Calls: len(all)}
	took := make([]time.Duration, 0, len(all))
	for _, c := range all {
		took = append(took, c.took)
		if c.failed {
			v.Failed++
			v.LastError = max(v.LastError, c.began.Sub(struck), time.Millisecond)
		}
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		v.P50, v.P99 = took[n/2], took[min(n-1, n*99/100)]
	}
	return v
}
