//go:build unix

package jsonapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Run measures all peers under all faults. Peers whose program is not installed are left
// out.
func Run(ctx context.Context, o Options) (*Report, error) {
	before, hold, after := 2*time.Second, 6*time.Second, 4*time.Second
	if o.Short {
		before, hold, after = time.Second, 2*time.Second, 1500*time.Millisecond
	}
	report := &Report{deadline: deadline, hold: hold}
	for run := range max(1, o.Runs) {
		for _, f := range faults {
			for _, p := range peers {
				if p.needs != "" {
					if _, err := exec.LookPath(p.needs); err != nil {
						_, _ = fmt.Fprintf(o.Log, "http: %s is not installed: not measured\n", p.needs)
						continue
					}
				}
				_, _ = fmt.Fprintf(o.Log, "http: run %d of %d, %s, %s\n", run+1, max(1, o.Runs), f.name, p.name)
				v, err := measure(ctx, p, f, before, hold, after)
				if err != nil {
					return report, fmt.Errorf("%s, %s: %w", f.name, p.name, err)
				}
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

// measure runs one peer under one fault, with servers of its own.
func measure(ctx context.Context, p peer, f fault, before, hold, after time.Duration) (Value, error) {
	servers := make([]*server, 2)
	for i := range servers {
		port, err := freePort()
		if err != nil {
			return Value{}, err
		}
		servers[i] = &server{port: port}
		if err := servers[i].start(ctx); err != nil {
			return Value{}, err
		}
		defer servers[i].end(syscall.SIGKILL) //nolint:revive // there are two
	}
	client, base, end, err := p.open(ctx, servers)
	if err != nil {
		return Value{}, err
	}
	defer end()
	for range 20 { // connections are made, and health is known
		get(ctx, client, base)
		if err := pause(ctx, 25*time.Millisecond); err != nil {
			return Value{}, err
		}
	}
	over := make(chan struct{})
	calls := make(chan []call, 1)
	go func() { calls <- load(ctx, client, base, over) }()
	err = pause(ctx, before)
	struck := time.Now()
	if err == nil {
		err = f.harm(ctx, hold, servers)
	}
	if err == nil {
		err = pause(ctx, after)
	}
	close(over)
	all := <-calls
	if err != nil {
		return Value{}, err
	}
	return summarize(p.name, f.name, all, struck), nil
}

// load makes requests at the rate until over is closed, whatever becomes of them.
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
