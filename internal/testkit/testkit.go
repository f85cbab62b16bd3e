package testkit

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/lbtest"
)

// Patience is how long a test waits for an event that must happen.
const Patience = 20 * time.Second

// FullKey is an environment variable: set to "full", tests that repeat something do it as
// often as is of use, and not only as often as each change of the code deserves.
const FullKey = "CANTONLB_TESTS"

// Full reports whether tests are to repeat things as often as is of use.
func Full() bool { return os.Getenv(FullKey) == "full" }

// Size returns the size of a test that repeats something: usual, or short with -short,
// or full if the environment asks for it.
func Size[T any](full, usual, short T) T {
	switch {
	case Full():
		return full
	case testing.Short():
		return short
	default:
		return usual
	}
}

// Context returns a context that ends after Patience, or with the test.
func Context(t testing.TB) context.Context {
	t.Helper()
	return Within(t, Patience)
}

// Within returns a context that ends after d, or with the test.
func Within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Receive returns the next value of a channel, or the zero value once the channel
// is closed. If neither comes within Patience, the test fails.
func Receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	var value T
	select {
	case value = <-from:
	case <-time.After(Patience):
		require.FailNow(t, "nothing came")
	}
	return value
}

// Spread makes n calls to servers of lbtest, which must succeed, and returns how
// many each server answered. On a cantonlb.Client it waits first, so that the calls
// see everything that the status has shown.
func Spread(t testing.TB, conn grpc.ClientConnInterface, n int) map[string]int {
	t.Helper()
	if client, ok := conn.(interface {
		WaitHealthy(ctx context.Context, n int) error
	}); ok {
		require.NoError(t, client.WaitHealthy(Context(t), 1))
	}
	seen := make(map[string]int)
	for range n {
		name, err := lbtest.ServedBy(Context(t), conn)
		require.NoError(t, err)
		seen[name]++
	}
	return seen
}

// KeepCalling makes one call after the other to servers of lbtest until stop is
// called or one fails. stop asserts that none has failed, and returns how many there
// were.
func KeepCalling(t testing.TB, conn grpc.ClientConnInterface) (stop func() int) {
	t.Helper()
	var stopping atomic.Bool
	t.Cleanup(func() { stopping.Store(true) })
	type result struct {
		calls int
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		for !stopping.Load() && r.err == nil {
			_, r.err = lbtest.Echo(t.Context(), conn, "hello")
			r.calls++
		}
		done <- r
	}()
	return func() int {
		t.Helper()
		stopping.Store(true)
		r := <-done
		assert.NoError(t, r.err)
		return r.calls
	}
}
