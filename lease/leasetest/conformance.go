package leasetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
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
		{"a name that was never held has the zero record", neverHeld},
		{"a free lease is acquired, and read by all", acquires},
		{"only a candidate that has seen the present record acquires", conflicts},
		{"of many that acquire at once one does", contended},
		{"tokens grow with each holder", tokensGrow},
		{"a renewal shows, and keeps holder and token", renews},
		{"a renewal works although one before was not answered", renewsBlindly},
		{"a holder that has lost the lease cannot renew or release it", loser},
		{"a late acquire does not take the lease back", lateAcquire},
		{"a released lease is free at once", releases},
		{"a holder acquires its own record again", own},
		{"names and holders may be any text", anyText},
		{"leases do not touch each other", apart},
		{"a context that has ended is heeded", ended},
		{"a watch notifies of a release", watches},
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
	noError(t, err)
	return r
}

func acquire(t *testing.T, s store.Store, name, holder string, seen store.Record) store.Record {
	t.Helper()
	r, err := s.Acquire(within(t), name, holder, suiteTTL, seen)
	noError(t, err)
	equal(t, holder, r.Holder)
	isTrue(t, r.Token != 0, "a holder has a fencing token")
	return r
}

func neverHeld(t *testing.T, s store.Store) {
	r := read(t, s, newName())
	isTrue(t, r.Free(), "the lease is free")
	equal(t, 0, r.Token)
	equal(t, 0, r.TTL)
}

func acquires(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	equal(t, got, read(t, s, name))
	equal(t, suiteTTL, got.TTL)
}

func conflicts(t *testing.T, s store.Store) {
	name := newName()
	free := read(t, s, name)
	first := acquire(t, s, name, "a", free)
	_, err := s.Acquire(within(t), name, "b", suiteTTL, free)
	conflict(t, err)
	equal(t, first, read(t, s, name), "nothing was written")
	noError(t, s.Release(within(t), name, first))
	_, err = s.Acquire(within(t), name, "b", suiteTTL, first)
	conflict(t, err, "the record has changed since")
	if !first.Expires {
		_, err = s.Acquire(within(t), name, "b", suiteTTL, free)
		conflict(t, err, "a version never comes back")
	}
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
				switch {
				case err == nil:
					have = append(have, got)
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("error %v; want none or store.ErrConflict", err)
				}
			})
		}
		wg.Wait()
		equal(t, 1, len(have), "how many have acquired the lease")
		equal(t, have[0], read(t, s, name))
		noError(t, s.Release(within(t), name, have[0]))
	}
}

func tokensGrow(t *testing.T, s store.Store) {
	name := newName()
	var last uint64
	for i := range 5 {
		got := acquire(t, s, name, fmt.Sprintf("h%d", i%2), read(t, s, name))
		isTrue(t, got.Token > last, "tokens grow")
		last = got.Token
		noError(t, s.Release(within(t), name, got))
	}
}

func renews(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	renewed, err := s.Renew(within(t), name, got)
	noError(t, err)
	equal(t, got.Holder, renewed.Holder)
	equal(t, got.Token, renewed.Token)
	equal(t, renewed, read(t, s, name))
	if !got.Expires {
		isTrue(t, got.Version != renewed.Version, "candidates see that it was renewed")
	}
}

func renewsBlindly(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	for range 3 {
		_, err := s.Renew(within(t), name, got)
		noError(t, err)
	}
	noError(t, s.Release(within(t), name, got))
	isTrue(t, read(t, s, name).Free(), "the lease is free")
}

// takenOver returns the record of a, which b has replaced, and that of b.
func takenOver(t *testing.T, s store.Store, name string) (a, b store.Record) {
	t.Helper()
	a = acquire(t, s, name, "a", read(t, s, name))
	if a.Expires { // others may not, but the effect is that of a release
		noError(t, s.Release(within(t), name, a))
	}
	b = acquire(t, s, name, "b", read(t, s, name))
	isTrue(t, b.Token > a.Token, "tokens grow")
	return a, b
}

func loser(t *testing.T, s store.Store) {
	name := newName()
	a, b := takenOver(t, s, name)
	_, err := s.Renew(within(t), name, a)
	conflict(t, err)
	noError(t, s.Release(within(t), name, a), "that is no error")
	equal(t, b, read(t, s, name), "nothing was written")
	noError(t, s.Release(within(t), name, b))
	_, err = s.Renew(within(t), name, b)
	conflict(t, err, "it was released")
	isTrue(t, read(t, s, name).Free(), "the lease is free")
}

func lateAcquire(t *testing.T, s store.Store) {
	name := newName()
	free := read(t, s, name)
	_, b := takenOver(t, s, name)
	_, err := s.Acquire(within(t), name, "a", suiteTTL, free)
	conflict(t, err)
	equal(t, b, read(t, s, name))
}

func releases(t *testing.T, s store.Store) {
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	noError(t, s.Release(within(t), name, got))
	noError(t, s.Release(within(t), name, got), "a second time is no error")
	free := read(t, s, name)
	isTrue(t, free.Free(), "the lease is free")
	again := acquire(t, s, name, "b", free)
	isTrue(t, again.Token > got.Token, "tokens grow")
}

func own(t *testing.T, s store.Store) {
	name := newName()
	first := acquire(t, s, name, "a", read(t, s, name))
	second := acquire(t, s, name, "a", first)
	isTrue(t, second.Token > first.Token, "tokens grow")
	_, err := s.Renew(within(t), name, first)
	conflict(t, err, "its token is an old one")
	_, err = s.Renew(within(t), name, second)
	noError(t, err)
	noError(t, s.Release(within(t), name, first))
	equal(t, "a", read(t, s, name).Holder)
}

func anyText(t *testing.T, s store.Store) {
	texts := []string{`a "b" 'c'; --`, "ä/ö\\ü", "%s $1 ?", "..", "X y", "0", "/lead/trail/", string(make200())}
	texts = append(texts, "日本") //nolint:gosmopolitan // any text
	for _, text := range texts {
		name := text
		if len(name) < 100 {
			name += newName()
		}
		got := acquire(t, s, name, text, read(t, s, name))
		equal(t, text, read(t, s, name).Holder)
		noError(t, s.Release(within(t), name, got))
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
	noError(t, s.Release(within(t), one, a))
	equal(t, b, read(t, s, two))
	_, err := s.Renew(within(t), one, store.Record{Holder: b.Holder, Token: b.Token, Version: b.Version, TTL: b.TTL, Expires: b.Expires})
	conflict(t, err)
}

func ended(t *testing.T, s store.Store) {
	name := newName()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Read(ctx, name)
	fails(t, err)
	_, err = s.Acquire(ctx, name, "a", suiteTTL, store.Record{})
	fails(t, err)
	isTrue(t, !errors.Is(err, store.ErrConflict), "a conflict would say that nothing was written")
	if w, ok := s.(store.Watcher); ok {
		fails(t, w.Watch(ctx, name, func(*store.Record) {}))
	}
}

func watches(t *testing.T, s store.Store) {
	w, ok := s.(store.Watcher)
	if !ok {
		t.Skip("the store does not notify of changes")
	}
	name := newName()
	got := acquire(t, s, name, "a", read(t, s, name))
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	hints, result := make(chan *store.Record, 100), make(chan error, 1)
	go func() { result <- w.Watch(ctx, name, func(now *store.Record) { hints <- now }) }()
	select {
	case <-hints:
	case err := <-result:
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("the store does not notify of changes as it is configured")
		}
		noError(t, err)
	}
	noError(t, s.Release(within(t), name, got))
	for released := false; !released; {
		select {
		case now := <-hints:
			if released = now == nil || now.Free(); released && now != nil {
				equal(t, read(t, s, name), *now)
			}
		case <-time.After(patience):
			t.Fatal("the watch did not notify of the release")
		}
	}
	cancel()
	select {
	case err := <-result:
		isTrue(t, errors.Is(err, context.Canceled), "the watch ends with its context")
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
	noError(t, err)
	if !got.Expires {
		t.Skip("the store keeps records until they are replaced")
	}
	_, err = s.Acquire(within(t), name, "b", ttl, store.Record{})
	conflict(t, err)
	for deadline := time.Now().Add(patience); !read(t, s, name).Free(); {
		isTrue(t, time.Now().Before(deadline), "the record goes after its TTL")
		sleep.Context(within(t), 10*time.Millisecond) //nolint:errcheck // the deadline above is the shorter one
	}
	isTrue(t, time.Since(sent) >= ttl, "the record stands for its whole TTL")
	_, err = s.Renew(within(t), name, got)
	conflict(t, err)
}
