//go:build unix

package pglease_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/lease/store"
)

// All schemas of a database share one channel. What has become of a lease says nothing about
// one of the same name in another schema.
func TestALeaseOfTheSameNameInAnotherSchemaIsAnotherOne(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	in := func(schema string) *pglease.Store {
		_, err := pool.Exec(within(t), "CREATE SCHEMA "+schema)
		require.NoError(t, err)
		s, err := pglease.New(pglease.Config{Pool: pool, Listen: server.DSN(), Schema: schema})
		require.NoError(t, err)
		require.NoError(t, s.CreateTables(within(t)))
		return s
	}
	one, two := in("one"), in("two")
	require.NoError(t, one.Release(within(t), "pink", acquire(t, one, "pink", "a", time.Second))) // or the first records would be equal
	ones, twos := watch(t, one), watch(t, two)
	for range 3 {
		free := acquire(t, one, "pink", "a", time.Second)
		assert.Nil(t, <-ones)
		require.NoError(t, one.Release(within(t), "pink", free))
		now, err := one.Read(within(t), "pink")
		require.NoError(t, err)
		assert.Equal(t, &now, <-ones)
	}
	held := acquire(t, two, "pink", "b", time.Second)
	require.NoError(t, two.Release(within(t), "pink", held))
	now, err := two.Read(within(t), "pink")
	require.NoError(t, err)
	for {
		if got := <-twos; got != nil { // the others ask it to read
			assert.Equal(t, &now, got)
			break
		}
	}
}

// watch returns what the watch of a lease reports.
func watch(t *testing.T, s *pglease.Store) <-chan *store.Record {
	t.Helper()
	hints := make(chan *store.Record, 20)
	ctx, cancel := context.WithCancel(within(t))
	ended := make(chan error)
	go func() { ended <- s.Watch(ctx, "pink", func(now *store.Record) { hints <- now }) }()
	t.Cleanup(func() {
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
	})
	assert.Nil(t, <-hints, "it has begun to watch")
	return hints
}

func TestATableThatIsMadeAgainIsWatched(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s, err := pglease.New(pglease.Config{Pool: pool, Listen: server.DSN()})
	require.NoError(t, err)
	require.NoError(t, s.CreateTables(within(t)))
	hints := watch(t, s)
	_, err = pool.Exec(within(t), "DROP TABLE cantonlb_lease, cantonlb_lease_token")
	require.NoError(t, err)
	require.NoError(t, s.CreateTables(within(t)))
	for range 2 {
		held := acquire(t, s, "pink", "a", time.Second)
		hinted := func(what string) {
			select {
			case now := <-hints:
				assert.Nil(t, now, "its number is that of another table: it has to be read")
			case <-within(t).Done():
				t.Fatal("no hint that the lease was " + what)
			}
		}
		hinted("acquired")
		require.NoError(t, s.Release(within(t), "pink", held))
		hinted("released")
	}
}

// The version of a record says nothing about its holder, as when it comes from elsewhere.
func TestARecordWithAnotherHolderIsNotReplaced(t *testing.T) {
	server := start(t)
	s := open(t, connect(t, server.DSN()), "")
	held := acquire(t, s, "pink", "a", time.Second)
	_, err := s.Acquire(within(t), "pink", "b", time.Second, store.Record{Token: held.Token, Version: held.Version})
	require.ErrorIs(t, err, store.ErrConflict)
}
