//go:build unix

package leases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease"
)

// The environment of the processes of this package.
const (
	candidateKey   = "CANTONLB_BENCH_LEASE_CANDIDATE"
	measurementKey = "CANTONLB_BENCH_LEASE_MEASUREMENT"
)

// config says what a candidate is.
type config struct {
	Peer string `json:"peer"`
	// Address is that of the store. Direct is another one of the same store, without a
	// pooler on the way.
	Address string        `json:"address"`
	Direct  string        `json:"direct"`
	TTL     time.Duration `json:"ttl"`
	// Retire is how long the pool of a candidate keeps a connection; 0 means long.
	Retire time.Duration `json:"retire"`
}

const (
	// pace is how often a holder acts, and waits after each commit.
	pace = 2 * time.Millisecond
	// commitLimit bounds a commit, whatever happens to the lease.
	commitLimit = 5 * time.Second
)

// Child runs what this process was started as, if it was started by this package. Its
// exit code is to be the process's then.
func Child() (code int, is bool) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	if text := os.Getenv(candidateKey); text != "" {
		err = candidateProcess(ctx, text)
	} else if text := os.Getenv(measurementKey); text != "" {
		err = measurementProcess(ctx, text)
	} else {
		return 0, false
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// await waits for a line of the standard input, which says that it may begin.
func await() error {
	_, err := io.ReadFull(os.Stdin, make([]byte, 1))
	return err
}

func candidateProcess(ctx context.Context, text string) error {
	var c config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	p, ok := peerNamed(c.Peer)
	if !ok {
		return fmt.Errorf("peer %q: unknown", c.Peer)
	}
	if err := await(); err != nil {
		return err
	}
	return p.candidate(ctx, c, new(journal))
}

// journal writes down what a candidate does, on its standard output.
type journal struct{ mu sync.Mutex }

// write writes one line, which is whole or not at all if the process is killed.
func (j *journal) write(what string, at time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = os.Stdout.WriteString(what + " " + strconv.FormatInt(int64(at), 10) + "\n")
}

// commit commits something to the store, in the term that has begun at that time. Its
// error says that nothing was committed, or that it is not known.
type commit func(ctx context.Context, term time.Duration) error

// hold acts and commits as long as ctx lives and valid allows it. commit may be nil.
func (j *journal) hold(ctx context.Context, valid func() bool, commit commit) {
	term := lease.System()
	j.write(started, term)
	var wg sync.WaitGroup
	defer wg.Wait()
	if commit != nil {
		wg.Go(func() {
			for sleep.For(ctx, pace) {
				if valid() {
					commitOnce(ctx, commit, term)
				}
			}
		})
	}
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

// commitOnce lets a commit finish that has begun, as a client does that wants to know
// what has become of it.
func commitOnce(ctx context.Context, commit commit, term time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	_ = commit(ctx, term) // one that was refused has not happened
}

// What a line says.
const (
	started = "start"
	acted   = "act"
)
