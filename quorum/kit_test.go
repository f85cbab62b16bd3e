package quorum

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// names returns n members that are only names.
func names(n int) []Member {
	list := make([]Member, n)
	for i := range list {
		list[i].Name = fmt.Sprintf("org%d", i+1)
	}
	return list
}

func newMembers(t testing.TB, n int) *Members {
	t.Helper()
	m, err := NewMembers(names(n), quiet())
	require.NoError(t, err)
	return m
}

func quiet() Options { return Options{Logger: slog.New(slog.DiscardHandler)} }

// manner is how a member behaves: it returns its answer to a question whose right answer
// is truth.
type manner struct {
	name string
	// wrong: it may give another answer than the right one.
	wrong bool
	reply func(ctx context.Context, m Member, truth string) (string, error)
}

var errBroken = errors.New("broken")

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// honest answers after 5 to 20 ms.
var honest = manner{name: "honest", reply: func(ctx context.Context, _ Member, truth string) (string, error) {
	return truth, wait(ctx, 5*time.Millisecond+rand.N(15*time.Millisecond))
}}

// adversaries are the ways in which a member can be faulty.
var adversaries = []manner{
	{name: "lies as the others do", wrong: true, reply: func(context.Context, Member, string) (string, error) { return "a common lie", nil }},
	{name: "lies alone", wrong: true, reply: func(_ context.Context, m Member, _ string) (string, error) { return "a lie of " + m.Name, nil }},
	{name: "equivocates", wrong: true, reply: func(_ context.Context, _ Member, truth string) (string, error) {
		return []string{truth, "a common lie", fmt.Sprint(rand.Int())}[rand.IntN(3)], nil
	}},
	{name: "delays the truth", reply: func(ctx context.Context, _ Member, truth string) (string, error) {
		return truth, wait(ctx, rand.N(20*time.Second))
	}},
	{name: "delays a lie", wrong: true, reply: func(ctx context.Context, _ Member, _ string) (string, error) {
		return "a common lie", wait(ctx, rand.N(time.Second))
	}},
	{name: "hangs", reply: func(ctx context.Context, _ Member, _ string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}},
	{name: "fails", reply: func(context.Context, Member, string) (string, error) { return "", errBroken }},
	{name: "fails late", reply: func(ctx context.Context, _ Member, _ string) (string, error) {
		return "", errors.Join(wait(ctx, rand.N(time.Second)), errBroken)
	}},
	{name: "answers nonsense", reply: func(context.Context, Member, string) (string, error) { return "", Invalid(errBroken) }},
	{name: "says what others say first, then lies", wrong: true, reply: func(ctx context.Context, _ Member, _ string) (string, error) {
		return "a common lie", wait(ctx, time.Millisecond)
	}},
}

func identity(s string) string { return s }

func outcomes(v Verdict, o Outcome) []string {
	got := v.Names(o)
	slices.Sort(got)
	return got
}

// check is rapid.Check inside a bubble, where a test's deadline may not be asked for.
func check(t *testing.T, prop func(*rapid.T)) {
	t.Helper()
	rapid.Check(struct{ rapid.TB }{t}, prop)
}
