//go:build unix

package pglease_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
	"github.com/cantonlb/cantonlb/lease/pglease/pgtest"
)

const processTTL = 2 * time.Second

// tables makes the tables of the store and one of what was done.
func tables(t *testing.T, server *pgtest.Server) {
	t.Helper()
	pool := connect(t, server.DSN())
	open(t, pool, "")
	_, err := pool.Exec(within(t), "CREATE TABLE acts (name text NOT NULL, token bigint NOT NULL)")
	require.NoError(t, err)
	pool.Close()
}

// judge checks that no transaction was committed with a token after one with a greater
// token of the same lease was.
func judge(t *testing.T, server *pgtest.Server) {
	t.Helper()
	var stale, all, tokens, leases int
	require.NoError(t, connect(t, server.DSN()).QueryRow(within(t), `WITH c AS (
			SELECT name, token, pg_xact_commit_timestamp(xmin) AS at FROM acts
		), firsts AS (SELECT name, token, min(at) AS at FROM c GROUP BY name, token)
		SELECT (SELECT count(*) FROM c JOIN firsts ON firsts.name = c.name AND firsts.token > c.token AND firsts.at < c.at),
			(SELECT count(*) FROM c), (SELECT count(*) FROM firsts), (SELECT count(DISTINCT name) FROM c)`).
		Scan(&stale, &all, &tokens, &leases))
	t.Logf("%d transactions were committed under %d tokens of %d leases, %d of them stale", all, tokens, leases, stale)
	assert.Zero(t, stale)
	assert.Greater(t, tokens, leases)
}

func TestProcessesWithTheServer(t *testing.T) {
	server := start(t, "track_commit_timestamp=on")
	tables(t, server)
	proctest.Faults(t, proctest.Setup{
		Address: server.DSN(), TTL: processTTL,
		StopStore:  func(testing.TB) { server.Stop() },
		StartStore: func(t testing.TB) { server.Run(t) },
	})
	judge(t, server)
}

func TestProcessesWithPgbouncerInTransactionMode(t *testing.T) {
	server := start(t, "track_commit_timestamp=on")
	tables(t, server)
	proctest.Faults(t, proctest.Setup{Address: server.Pgbouncer(t), TTL: processTTL})
	judge(t, server)
}
