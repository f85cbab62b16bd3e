package leasetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease/store"
)

// patience is how long the suite waits for what must happen.
const patience = 30 * time.Second

// suiteTTL is the TTL of leases that are not waited for.
const suiteTTL = 20 * time.Second

// Conformance checks that a store does what package store wants of it, in subtests.
// open returns a store that is ready; it may return the same one each time, and the
// suite uses names that were not used before. Subtests that wait for a record to
// expire take some seconds, if the store removes records by itself.
func Conformance(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"a name that nobody has held has the zero record", neverHeld},
		{"a free lease is acquired, and read by all", acquires},
		{"only who has seen the present record acquires", conflicts},
		{"of many who acquire at once one does", contended},
		{"tokens grow with each holder", tokensGrow},
		{"a renewal shows, and keeps holder and token", renews},
		{"a renewal works although one before was not answered", renewsBlindly},
		{"who has lost the lease cannot renew or release it", loser},
		{"a late acquire does not take the lease back", lateAcquire},
		{"a released lease is free at once", releases},
		{"a holder acquires its own record again", own},
		{"names and holders may be any text", anyText},
		{"leases do not touch each other", apart},
		{"a context that has ended is heeded", ended},
		{"a watch tells of a release", watches},
		{"a record that is not renewed stands for its TTL", stands},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newName returns a name that was not used before.
func newName() string { return fmt.Sprintf("lease-%016x", rand.Uint64()) }

func read(t *testing.T, s store.Store, name string) store.Record {
	t.Helper()
	r, err := s.Read(within(t), name)
	require.NoError(t, err)
	return r
}

func acquire(t *testing.T, s store.Store, name, holder string, seen store.Record) store.Record {
	t.Helper()
	r, err := s.Acquire(within(t), name, holder, suiteTTL, seen)
	require.NoError(t, err)
	require.Equal(t, holder, r.Holder)
	require.NotZero(t, r.Token, "a fencing token")
	return r
}

func neverHeld(t *testing.T, s store.Store) {
	r := read(t, s, newName())
	assert.True(t, r.Free())
	assert.Zero(t, r.Token)
	assert.Zero(t, r.TTL)
}

func acquires(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	assert.Equal(t, got, read(t, s, name))
	assert.Equal(t, suiteTTL, got.TTL)
}

func conflicts(t *testing.T, s store.Store) {
	name := newName()
	free := read(t, s, name)
	first := acquire(t, s, name, "a", free)
	_, err := s.Acquire(within(t), name, "b", suiteTTL, free)
	require.ErrorIs(t, err, store.ErrConflict)
	assert.Equal(t, first, read(t, s, name), "nothing was written")
	require.NoError(t, s.Release(within(t), name, first))
	_, err = s.Acquire(within(t), name, "b", suiteTTL, first)
	require.ErrorIs(t, err, store.ErrConflict, "the record has changed since")
	_, err = s.Acquire(within(t), name, "b", suiteTTL, free)
	assert.ErrorIs(t, err, store.ErrConflict, "a version never comes back")
}

func contended(t *testing.T, s store.Store) {
	name := newName()
	const candidates = 8
	for round := range 3 {
		seen := read(t, s, name)
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			have []store.Record
		)
		for i := range candidates {
			wg.Go(func() {
				got, err := s.Acquire(within(t), name, fmt.Sprintf("c%d.%d", round, i), suiteTTL, seen)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					have = append(have, got)
				} else {
					assert.ErrorIs(t, err, store.ErrConflict)
				}
			})
		}
		wg.Wait()
		require.Len(t, have, 1)
		require.Equal(t, have[0], read(t, s, name))
		require.NoError(t, s.Release(within(t), name, have[0]))
	}
}

func tokensGrow(t *testing.T, s store.Store) {
	name := newName()
	var last uint64
	for i := range 5 {
		got := acquire(t, s, name, fmt.Sprintf("h%d", i%2), read(t, s, name))
		require.Greater(t, got.Token, last)
		last = got.Token
		require.NoError(t, s.Release(within(t), name, got))
	}
}

func renews(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	renewed, err := s.Renew(within(t), name, got)
	require.NoError(t, err)
	assert.Equal(t, got.Holder, renewed.Holder)
	assert.Equal(t, got.Token, renewed.Token)
	assert.Equal(t, renewed, read(t, s, name))
	if !got.Expires {
		assert.NotEqual(t, got.Version, renewed.Version, "candidates see that it was renewed")
	}
}

func renewsBlindly(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	for range 3 {
		_, err := s.Renew(within(t), name, got)
		require.NoError(t, err)
	}
	require.NoError(t, s.Release(within(t), name, got))
	assert.True(t, read(t, s, name).Free())
}

// takenOver returns the record of a, which b has replaced, and that of b.
func takenOver(t *testing.T, s store.Store, name string) (a, b store.Record) {
	t.Helper()
	a = acquire(t, s, name, "a", read(t, s, name))
	if a.Expires { // others may not, but the effect is that of a release
		require.NoError(t, s.Release(within(t), name, a))
	}
	b = acquire(t, s, name, "b", read(t, s, name))
	require.Greater(t, b.Token, a.Token)
	return a, b
}

func loser(t *testing.T, s store.Store) {
	name := newName()
	a, b := takenOver(t, s, name)
	_, err := s.Renew(within(t), name, a)
	require.ErrorIs(t, err, store.ErrConflict)
	require.NoError(t, s.Release(within(t), name, a), "that is no error")
	require.Equal(t, b, read(t, s, name), "nothing was written")
	require.NoError(t, s.Release(within(t), name, b))
	_, err = s.Renew(within(t), name, b)
	require.ErrorIs(t, err, store.ErrConflict, "it was given up")
	assert.True(t, read(t, s, name).Free())
}

func lateAcquire(t *testing.T, s store.Store) {
	name := newName()
	free := read(t, s, name)
	_, b := takenOver(t, s, name)
	_, err := s.Acquire(within(t), name, "a", suiteTTL, free)
	require.ErrorIs(t, err, store.ErrConflict)
	assert.Equal(t, b, read(t, s, name))
}

func releases(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	require.NoError(t, s.Release(within(t), name, got))
	require.NoError(t, s.Release(within(t), name, got), "a second time is no error")
	free := read(t, s, name)
	require.True(t, free.Free())
	again := acquire(t, s, name, "b", free)
	assert.Greater(t, again.Token, got.Token)
}

func own(t *testing.T, s store.Store) {
	name := newName()
	first := acquire(t, s, name, "a", read(t, s, name))
	second := acquire(t, s, name, "a", first)
	require.Greater(t, second.Token, first.Token)
	_, err := s.Renew(within(t), name, first)
	require.ErrorIs(t, err, store.ErrConflict, "its token is an old one")
	_, err = s.Renew(within(t), name, second)
	require.NoError(t, err)
	require.NoError(t, s.Release(within(t), name, first))
	assert.Equal(t, "a", read(t, s, name).Holder)
}

func anyText(t *testing.T, s store.Store) {
	for _, text := range []string{`a "b" 'c'; --`, "ä/ö\\ü", "%s $1 ?", "..", "X y", "0", "/lead/trail/", "日本", string(make200())} {
		name := text
		if len(name) < 100 {
			name += newName()
		}
		got := acquire(t, s, name, text, read(t, s, name))
		require.Equal(t, text, read(t, s, name).Holder)
		require.NoError(t, s.Release(within(t), name, got))
	}
}

// make200 returns 200 bytes, the most that a name has, with some chance in them.
func make200() []byte {
	text := make([]byte, 200)
	for i := range text {
		text[i] = byte('a' + rand.IntN(26))
	}
	return text
}

func apart(t *testing.T, s store.Store) {
	one, two := newName(), newName()
	a := acquire(t, s, one, "a", read(t, s, one))
	b := acquire(t, s, two, "b", read(t, s, two))
	require.NoError(t, s.Release(within(t), one, a))
	require.Equal(t, b, read(t, s, two))
	_, err := s.Renew(within(t), one, store.Record{Holder: b.Holder, Token: b.Token, Version: b.Version, TTL: b.TTL, Expires: b.Expires})
	assert.ErrorIs(t, err, store.ErrConflict)
}

func ended(t *testing.T, s store.Store) {
	name := newName()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Read(ctx, name)
	require.Error(t, err)
	_, err = s.Acquire(ctx, name, "a", suiteTTL, store.Record{})
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrConflict, "which would say that nothing was written")
	if w, ok := s.(store.Watcher); ok {
		require.Error(t, w.Watch(ctx, name, func() {}))
	}
}

func watches(t *testing.T, s store.Store) {
	w, ok := s.(store.Watcher)
	if !ok {
		t.Skip("the store does not tell of changes")
	}
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	hints, result := make(chan struct{}, 100), make(chan error, 1)
	go func() { result <- w.Watch(ctx, name, func() { hints <- struct{}{} }) }()
	select {
	case <-hints:
	case err := <-result:
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("the store does not tell of changes as it is set up")
		}
		require.NoError(t, err)
	}
	require.NoError(t, s.Release(within(t), name, got))
	select {
	case <-hints:
	case <-time.After(patience):
		t.Fatal("the watch told of nothing")
	}
	cancel()
	select {
	case err := <-result:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(patience):
		t.Fatal("the watch does not end with its context")
	}
}

// stands checks that a record does not go before its TTL, and, of a store that
// removes records by itself, that it goes after that.
func stands(t *testing.T, s store.Store) {
	name := newName()
	const ttl = 2 * time.Second
	sent := time.Now()
	got, err := s.Acquire(within(t), name, "a", ttl, read(t, s, name))
	require.NoError(t, err)
	if !got.Expires {
		t.Skip("the store keeps records until they are replaced")
	}
	_, err = s.Acquire(within(t), name, "b", ttl, store.Record{})
	require.ErrorIs(t, err, store.ErrConflict)
	require.Eventually(t, func() bool { return read(t, s, name).Free() }, patience, 10*time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(sent), ttl)
	_, err = s.Renew(within(t), name, got)
	assert.ErrorIs(t, err, store.ErrConflict)
}
