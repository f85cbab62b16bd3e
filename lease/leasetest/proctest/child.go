//go:build unix

package proctest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/store"
)

// The variables in the environment of a candidate.
const (
	addressKey = "CANTONLB_PROCTEST_ADDRESS"
	nameKey    = "CANTONLB_PROCTEST_NAME"
	ttlKey     = "CANTONLB_PROCTEST_TTL"
)

// pace is how often a candidate acts.
const pace = time.Millisecond

// Act is one action of a holder, such as a transaction that checks the token. Errors
// are its own affair: an action that was refused has not happened.
type Act func(ctx context.Context, l lease.Lease)

// Child is a candidate if this process was started as one, and does not return then.
// open opens the store at the address of Setup; act may be nil.
func Child(open func(ctx context.Context, address string) (s store.Store, act Act, err error)) {
	address := os.Getenv(addressKey)
	if address == "" {
		return
	}
	if err := child(address, open); err != nil {
		fmt.Fprintln(os.Stderr, "candidate:", err)
		os.Exit(1) //nolint:revive // it is the process of a candidate, and no more
	}
	os.Exit(0) //nolint:revive // the same
}

func child(address string, open func(context.Context, string) (store.Store, Act, error)) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ttl, err := time.ParseDuration(os.Getenv(ttlKey))
	if err != nil {
		return err
	}
	s, act, err := open(ctx, address)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	write := func(what string, token uint64, at time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		// One write, which is whole or not at all if the process is killed.
		_, _ = os.Stdout.WriteString(what + " " + strconv.FormatUint(token, 10) + " " + strconv.FormatInt(int64(at), 10) + "\n")
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg := lease.Config{Store: s, Name: os.Getenv(nameKey), TTL: ttl, Logger: logger, Observe: func(e lease.Event) {
		if e.Kind == lease.EventHolder {
			write("seen", e.Token, lease.System())
		}
	}}
	return lease.Run(ctx, cfg, func(ctx context.Context, l lease.Lease) error {
		write("start", l.Token, lease.System())
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for {
			if at := lease.System(); l.Valid() {
				write("act", l.Token, at) // had it not been valid at that time, it would not be now
				if act != nil {
					act(ctx, l)
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
}
