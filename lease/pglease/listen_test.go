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
	watch := func(s *pglease.Store) <-chan *store.Record {
		hints := make(chan *store.Record, 10)
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
	require.NoError(t, one.Release(within(t), "pink", acquire(t, one, "pink", "a", time.Second))) // or the first records would be equal
	ones, twos := watch(one), watch(two)
	for range 3 {
		free := acquire(t, one, "pink", "a", time.Second)
		assert.Nil(t, <-ones)
		require.NoError(t, one.Release(within(t), "pink", free))
		now, err := one.Read(within(t), "pink")
		require.NoError(t, err)
		assert.Equal(t, &now, <-ones)
	}
	held := acquire(t, two, "pink", "b", time.Second)
	assert.Nil(t, <-twos, "the holder has changed")
	require.NoError(t, two.Release(within(t), "pink", held))
	now, err := two.Read(within(t), "pink")
	require.NoError(t, err)
	assert.Equal(t, &now, <-twos)
}

// The version of a record says nothing about its holder, as when it comes from elsewhere.
func TestARecordWithAnotherHolderIsNotReplaced(t *testing.T) {
	server := start(t)
	s := open(t, connect(t, server.DSN()), "")
	held := acquire(t, s, "pink", "a", time.Second)
	_, err := s.Acquire(within(t), "pink", "b", time.Second, store.Record{Token: held.Token, Version: held.Version})
	require.ErrorIs(t, err, store.ErrConflict)
}
