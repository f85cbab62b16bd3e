//go:build unix

package pglease_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/lease/pglease/pgtest"
	"github.com/cantonlb/cantonlb/lease/store"
)

const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start starts a server of the test's own, which runs beside other tests: they mostly
// wait. With -short, only TestTheStoreConforms has one.
func start(t *testing.T, options ...string) *pgtest.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("a server of its own: left out with -short")
	}
	t.Parallel()
	return pgtest.Start(t, options...)
}

func connect(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// open returns a store with its tables, which listens at listen.
func open(t *testing.T, pool *pgxpool.Pool, listen string) *pglease.Store {
	t.Helper()
	s, err := pglease.New(pglease.Config{Pool: pool, Listen: listen})
	require.NoError(t, err)
	require.NoError(t, s.CreateTables(within(t)))
	return s
}

func acquire(t *testing.T, s store.Store, name, holder string, ttl time.Duration) store.Record {
	t.Helper()
	seen, err := s.Read(within(t), name)
	require.NoError(t, err)
	r, err := s.Acquire(within(t), name, holder, ttl, seen)
	require.NoError(t, err)
	return r
}

func TestTheStoreConforms(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "synchronous_commit=off")
	s := open(t, connect(t, server.DSN()), server.DSN())
	leasetest.Conformance(t, func(*testing.T) store.Store { return s })
}

func TestTheStoreConformsBehindPgbouncer(t *testing.T) {
	server := start(t)
	s := open(t, connect(t, server.Pgbouncer(t)), server.DSN())
	leasetest.Conformance(t, func(*testing.T) store.Store { return s })
}

func TestTheStoreConformsInASchemaWithoutListening(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	_, err := pool.Exec(within(t), `CREATE SCHEMA "Odd ""schema"`)
	require.NoError(t, err)
	s, err := pglease.New(pglease.Config{Pool: pool, Schema: `Odd "schema`})
	require.NoError(t, err)
	require.NoError(t, s.CreateTables(within(t)))
	leasetest.Conformance(t, func(*testing.T) store.Store { return s })
	var tables int
	require.NoError(t, pool.QueryRow(within(t), `SELECT count(*) FROM pg_tables WHERE schemaname = 'Odd "schema'`).Scan(&tables))
	assert.Equal(t, 2, tables)
}

func TestManyMayCreateTheTablesAtOnce(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s, err := pglease.New(pglease.Config{Pool: pool})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { assert.NoError(t, s.CreateTables(within(t))) })
	}
	wg.Wait()
	require.NoError(t, s.CreateTables(within(t)))
}

func TestABadConfigIsRefused(t *testing.T) {
	_, err := pglease.New(pglease.Config{})
	require.ErrorContains(t, err, "Pool is nil")
	pool := connect(t, "host=127.0.0.1 port=1")
	_, err = pglease.New(pglease.Config{Pool: pool, Schema: "a\x00"})
	require.ErrorContains(t, err, "Schema")
	for _, address := range []string{"postgres://user:geheim@:x/", "host=h port=x password = geheim", "postgres://user:geheim/x@h/", "geheim"} {
		_, err = pglease.New(pglease.Config{Pool: pool, Listen: address})
		require.ErrorContains(t, err, "Listen")
		assert.NotContains(t, err.Error(), "geheim")
	}
}

func TestARecordOfAnotherStoreIsRefused(t *testing.T) {
	pool := connect(t, "host=127.0.0.1 port=1")
	s, err := pglease.New(pglease.Config{Pool: pool})
	require.NoError(t, err)
	_, err = s.Acquire(within(t), "x", "a", time.Second, store.Record{Version: "seven"})
	assert.ErrorContains(t, err, `Version "seven"`)
	_, err = s.Read(within(t), "x")
	assert.ErrorContains(t, err, "pglease: reading")
	assert.ErrorContains(t, s.CreateTables(within(t)), "pglease: creating the tables")
}

func TestTheTokenHoldsTheTimeline(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s := open(t, pool, "")
	got := acquire(t, s, "pink", "a", time.Second)
	assert.Equal(t, uint64(1)<<40+1, got.Token)
	assert.Equal(t, "1/1099511627777/1", got.Version)
	// A record that was seen on another timeline is another one.
	stale := got
	stale.Version = "2/1099511627777/1"
	_, err := s.Acquire(within(t), "pink", "b", time.Second, stale)
	assert.ErrorIs(t, err, store.ErrConflict)
}

func TestATokenGrowsAlthoughTheLeaseWasDeleted(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s := open(t, pool, "")
	before := acquire(t, s, "pink", "a", time.Second)
	_, err := pool.Exec(within(t), "DELETE FROM cantonlb_lease")
	require.NoError(t, err)
	_, err = s.Acquire(within(t), "pink", "b", time.Second, before)
	require.ErrorIs(t, err, store.ErrConflict)
	after := acquire(t, s, "pink", "b", time.Second)
	assert.Greater(t, after.Token, before.Token)
	_, err = s.Renew(within(t), "pink", before)
	assert.ErrorIs(t, err, store.ErrConflict)
}

func TestWritesAreDurableWhateverTheServersDefault(t *testing.T) {
	server := start(t, "synchronous_commit=off")
	s := open(t, connect(t, server.DSN()), "")
	for i := range 5 {
		name := string(rune('a' + i))
		got := acquire(t, s, name, "x", time.Second)
		renewed, err := s.Renew(within(t), name, got)
		require.NoError(t, err)
		server.Kill() // what was not flushed is gone
		server.Run(t)
		require.Eventually(t, func() bool {
			r, err := s.Read(within(t), name)
			return err == nil && assert.Equal(t, renewed, r)
		}, patience, 10*time.Millisecond)
	}
}

func TestAServerInRecoveryIsRefused(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s := open(t, pool, "")
	acquire(t, s, "pink", "a", time.Second)
	server.Stop()
	server.Standby(t)
	pool.Reset() // its connections are gone
	_, err := s.Read(within(t), "pink")
	require.ErrorContains(t, err, "recovery")
	// After it was promoted, the token is that of the new timeline.
	server.Promote(t)
	seen, err := s.Read(within(t), "pink")
	require.NoError(t, err)
	require.Equal(t, "2/1099511627777/1", seen.Version)
	after, err := s.Acquire(within(t), "pink", "b", time.Second, seen)
	require.NoError(t, err)
	assert.Equal(t, uint64(2)<<40+1, after.Token)
}

func TestAWatchEndsWithItsServerAndIsMadeAgain(t *testing.T) {
	server := start(t)
	s := open(t, connect(t, server.DSN()), server.DSN())
	began, result := make(chan struct{}, 10), make(chan error, 2)
	for range 2 { // they share a connection
		go func() { result <- s.Watch(t.Context(), "pink", func(*store.Record) { began <- struct{}{} }) }()
		<-began
	}
	server.Stop()
	for range 2 {
		require.Error(t, <-result)
	}
	require.Error(t, s.Watch(within(t), "pink", func(*store.Record) {}))
	server.Run(t)
	ctx, cancel := context.WithCancel(within(t))
	go func() { result <- s.Watch(ctx, "pink", func(*store.Record) { began <- struct{}{} }) }()
	<-began
	cancel()
	assert.ErrorIs(t, <-result, context.Canceled)
}

func begin(t *testing.T, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(within(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	return tx
}

func TestCheckMakesTheTransactionOfAStaleHolderFail(t *testing.T) {
	server := start(t)
	for name, dsn := range map[string]string{"direct": server.DSN(), "pgbouncer": server.Pgbouncer(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := connect(t, dsn)
			s := open(t, pool, "")
			a := acquire(t, s, name, "a", time.Minute)
			tx := begin(t, pool)
			require.NoError(t, pglease.Check(within(t), tx, name, a.Token))
			require.NoError(t, tx.Commit(within(t)))

			b, err := s.Acquire(within(t), name, "b", time.Minute, a)
			require.NoError(t, err)
			stale := begin(t, pool)
			require.ErrorIs(t, s.Check(within(t), stale, name, a.Token), pglease.ErrStale)
			require.NoError(t, stale.Rollback(within(t)))
			tx = begin(t, pool)
			require.NoError(t, pglease.Check(within(t), tx, name, b.Token))
			require.ErrorIs(t, pglease.Check(within(t), tx, "another", b.Token), pglease.ErrStale)
		})
	}
}

func TestATakeoverWaitsForACheckedTransactionButNotForAStoppedHolder(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s := open(t, pool, "")
	const ttl = 1500 * time.Millisecond
	a := acquire(t, s, "pink", "a", ttl)
	tx := begin(t, pool)
	require.NoError(t, pglease.Check(within(t), tx, "pink", a.Token))
	began := time.Now()
	// The renewals of the holder do not wait for its transaction.
	a, err := s.Renew(within(t), "pink", a)
	require.NoError(t, err)
	require.Less(t, time.Since(began), ttl/2)
	// A takeover does, until the server ends a session that was idle for too long.
	_, err = s.Acquire(within(t), "pink", "b", ttl, a)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(began), ttl-100*time.Millisecond)
	assert.Error(t, tx.Commit(within(t)), "nothing stale is committed")
}

func TestATransactionThatBeganBeforeATakeoverIsStaleAfterIt(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s := open(t, pool, "")
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		a := acquire(t, s, string(level), "a", time.Minute)
		tx, err := pool.BeginTx(within(t), pgx.TxOptions{IsoLevel: level})
		require.NoError(t, err)
		var one int
		require.NoError(t, tx.QueryRow(within(t), "SELECT 1 FROM cantonlb_lease_token LIMIT 1").Scan(&one)) // it has a snapshot
		_, err = s.Acquire(within(t), string(level), "b", time.Minute, a)
		require.NoError(t, err)
		require.Error(t, pglease.Check(within(t), tx, string(level), a.Token), "at %s", level)
		require.NoError(t, tx.Rollback(within(t)))
	}
}

func TestCheckBoundsTheIdleTimeByWhatTheLeaseHasLeft(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s := open(t, pool, "")
	idle := func(tx pgx.Tx) (ms float64) {
		require.NoError(t, tx.QueryRow(within(t), `SELECT extract(epoch FROM
			current_setting('idle_in_transaction_session_timeout')::interval) * 1000`).Scan(&ms))
		return ms
	}
	cfg := lease.Config{Store: s, Name: "pink", TTL: 30 * time.Second}
	require.NoError(t, lease.Run(within(t), cfg, func(ctx context.Context, l lease.Lease) error {
		tx := begin(t, pool) //nolint:contextcheck // the test's
		require.NoError(t, pglease.Check(ctx, tx, l.Name, l.Token))
		assert.LessOrEqual(t, idle(tx), 27_000.0)
		assert.Greater(t, idle(tx), 1_000.0)
		// A context that knows no lease leaves a whole TTL.
		require.NoError(t, pglease.Check(context.Background(), tx, l.Name, l.Token)) //nolint:contextcheck // one that knows no lease
		assert.LessOrEqual(t, idle(tx), 27_000.0, "what is set and less stays")
		require.NoError(t, tx.Commit(ctx))
		other := begin(t, pool) //nolint:contextcheck // the test's
		assert.Zero(t, idle(other), "it is set for the transaction alone")
		require.NoError(t, pglease.Check(context.Background(), other, l.Name, l.Token)) //nolint:contextcheck // as above
		assert.InDelta(t, 30_000, idle(other), 1)
		return other.Rollback(ctx)
	}))
}

func TestCheckRefusesALeaseThatHasEndedByItsHoldersClock(t *testing.T) {
	server := start(t)
	pool := connect(t, server.DSN())
	s := open(t, pool, "")
	var kept context.Context
	var l lease.Lease
	require.NoError(t, lease.Run(within(t), lease.Config{Store: s, Name: "pink"}, func(ctx context.Context, held lease.Lease) error {
		kept, l = context.WithoutCancel(ctx), held //nolint:fatcontext // to look at it afterwards
		return nil
	}))
	assert.ErrorIs(t, pglease.Check(kept, begin(t, pool), l.Name, l.Token), pglease.ErrStale)
}
