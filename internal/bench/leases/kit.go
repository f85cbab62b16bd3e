//go:build unix

package leases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

// kit is the testing.TB with which the stores are started.
type kit struct {
	testing.TB // nil; what the stores call is defined below

	ctx      context.Context //nolint:containedctx // as testing.T has one
	cleanups []func()
	err      error
}

// errMissing is the error of a store that is not installed.
var errMissing = errors.New("not installed")

// within runs f with a kit, ends what f has started, and returns its failure.
func within(ctx context.Context, f func(testing.TB) error) error {
	k := &kit{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done) // Fatal and Skip end the goroutine
		if err := f(k); err != nil {
			k.err = err
		}
	}()
	<-done
	for _, f := range slices.Backward(k.cleanups) {
		f()
	}
	return k.err
}

// Helper and the others implement testing.TB.
func (*kit) Helper() {}

func (k *kit) Cleanup(f func())          { k.cleanups = append(k.cleanups, f) }
func (k *kit) Context() context.Context  { return k.ctx }
func (k *kit) Failed() bool              { return k.err != nil }
func (*kit) Logf(string, ...any)         {}
func (k *kit) Name() string              { return "leases" }
func (k *kit) Skip(why ...any)           { k.fail(fmt.Errorf("%w: %s", errMissing, fmt.Sprint(why...))) }
func (k *kit) Fatal(why ...any)          { k.fail(errors.New(fmt.Sprint(why...))) }
func (k *kit) Fatalf(f string, a ...any) { k.fail(fmt.Errorf(f, a...)) }

func (k *kit) fail(err error) {
	k.err = err
	runtime.Goexit()
}

func (k *kit) TempDir() string {
	dir, err := os.MkdirTemp("", "leases-")
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// patience is how long what must happen is waited for.
const patience = 60 * time.Second
