//go:build unix

package pglease_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
)

// compete runs a candidate until the end of the test. seen gets the holders that it
// sees, and began is told when its work begins, which ends with end.
func compete(t *testing.T, cfg lease.Config, end <-chan struct{}) (seen <-chan string, began <-chan lease.Lease) {
	t.Helper()
	holders, leases := make(chan string, 100), make(chan lease.Lease, 1)
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Observe = func(e lease.Event) {
		if e.Kind == lease.EventHolder {
			holders <- e.Holder
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = lease.Run(ctx, cfg, func(ctx context.Context, l lease.Lease) error {
			leases <- l
			select {
			case <-end:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	return holders, leases
}

func wait[T any](t *testing.T, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(patience):
		require.FailNow(t, "waited in vain")
	}
	return got
}

func TestACleanEndIsToldOfOverTheDirectConnection(t *testing.T) {
	server := start(t)
	s := open(t, connect(t, server.Pgbouncer(t)), server.DSN())
	// Nobody reads the lease periodically within this test: only a notification tells.
	cfg := lease.Config{Store: s, Name: "pink", TTL: time.Hour, Poll: time.Hour}
	end := make(chan struct{})
	_, began := compete(t, cfg, end)
	first := wait(t, began)
	seen, next := compete(t, cfg, nil)
	require.Equal(t, first.Holder, wait(t, seen))
	require.Empty(t, next, "it waits")
	close(end)
	second := wait(t, next)
	assert.False(t, first.Valid(), "the first one had ended before")
	assert.True(t, second.Valid())
	assert.Greater(t, second.Token, first.Token)
}

func TestACandidateWaitsAgainWhenItSeesAnotherTimeline(t *testing.T) {
	server := start(t)
	s := open(t, connect(t, server.DSN()), "")
	const ttl = 2 * time.Second
	acquire(t, s, "pink", "a", ttl) // which does not renew it
	seen, began := compete(t, lease.Config{Store: s, Name: "pink", TTL: ttl}, nil)
	require.Equal(t, "a", wait(t, seen))
	server.Stop()
	server.Standby(t)
	if len(began) > 0 {
		t.Skip("the machine was too busy to restart the server within a TTL")
	}
	promoted := time.Now()
	server.Promote(t)
	got := wait(t, began)
	assert.GreaterOrEqual(t, time.Since(promoted), ttl, "it has waited a whole TTL since")
	assert.Greater(t, got.Token, uint64(2)<<40, "the token is one of the new timeline")
}
