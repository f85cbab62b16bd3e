package leasetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/cantonlb/cantonlb/lease/store"
)

// The checks of the suite. Each ends the test that fails it.

func noError(t *testing.T, err error, why ...string) {
	t.Helper()
	if err != nil {
		t.Fatalf("error: %v; want none %s", err, strings.Join(why, " "))
	}
}

func fails(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error; want one")
	}
}

func conflict(t *testing.T, err error, why ...string) {
	t.Helper()
	if !errors.Is(err, store.ErrConflict) {
		t.Fatalf("error %v; want store.ErrConflict %s", err, strings.Join(why, " "))
	}
}

func equal[V comparable](t *testing.T, want, got V, why ...string) {
	t.Helper()
	if got != want {
		t.Fatalf("got %+v; want %+v %s", got, want, strings.Join(why, " "))
	}
}

func isTrue(t *testing.T, ok bool, why ...string) {
	t.Helper()
	if !ok {
		t.Fatalf("it does not hold: %s", strings.Join(why, " "))
	}
}
