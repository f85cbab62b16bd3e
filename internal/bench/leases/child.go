//go:build unix

package leases

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/lease"
)

// The environment of a candidate.
const (
	peerKey    = "CANTONLB_BENCH_LEASE_PEER"
	addressKey = "CANTONLB_BENCH_LEASE_ADDRESS"
	ttlKey     = "CANTONLB_BENCH_LEASE_TTL"
)

// pace is how often a holder acts.
const pace = 2 * time.Millisecond

// Child is a candidate if this process was started as one. Its exit code is to be the
// process's then.
func Child() (code int, is bool) {
	name := os.Getenv(peerKey)
	if name == "" {
		return 0, false
	}
	ttl, err := time.ParseDuration(os.Getenv(ttlKey))
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err = peerNamed(name).candidate(ctx, os.Getenv(addressKey), ttl, new(journal))
	}
	if err != nil && !isEnd(err) {
		fmt.Fprintln(os.Stderr, "candidate:", err)
		return 1, true
	}
	return 0, true
}

// journal writes down what a candidate does, on its standard output.
type journal struct{ mu sync.Mutex }

// write writes one line, which is whole or not at all if the process is killed.
func (j *journal) write(what string, at time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = os.Stdout.WriteString(what + " " + strconv.FormatInt(int64(at), 10) + "\n")
}

// hold acts as long as ctx lives and valid allows it.
func (j *journal) hold(ctx context.Context, valid func() bool) {
	j.write(started, lease.System())
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		if at := lease.System(); valid() {
			j.write(acted, at) // if it was not valid then, it is not now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// What a line says.
const (
	started = "start"
	acted   = "act"
)
