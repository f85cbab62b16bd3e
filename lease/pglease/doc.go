// Package pglease keeps leases in PostgreSQL, for package lease.
//
// # Why
//
// A session's advisory lock looks like a lease, and is none: it is lost whenever the
// pool retires the session, it is kept by a process that is stopped, and behind
// pgbouncer in transaction mode it belongs to no client. This store holds no session. A
// lease is a row that its holder renews; each request is one statement, over any
// connection of the pool:
//
//	pool, err := pgxpool.New(ctx, "postgres://pgbouncer:6432/app")
//	store, err := pglease.New(pglease.Config{Pool: pool, Listen: "postgres://db:5432/app"})
//	err = store.CreateTables(ctx) // or run pglease.Tables yourself
//	err = lease.Run(ctx, lease.Config{Store: store, Name: "pink"}, work)
//
// # How
//
// Each renewal makes the row's sequence greater. A candidate takes over when it has
// seen the same token and sequence for the holder's TTL, on its own clock, and only if
// they are still the same in the moment of the takeover. The server's clock does not
// matter. The version of a record holds the timeline of the database, too: when a
// standby is promoted, or a backup restored, the wait begins again.
//
// The token is the greater of the last one plus one and timeline * 2^40 + 1, so that
// it grows although the last ones before a failover may be lost.
//
// # Check
//
// [Check] is the last statement of a transaction before its commit. It locks the
// token's row FOR SHARE, so that no takeover is committed before the transaction is,
// and makes the transaction of a holder that has been replaced fail. The row is
// another one than that of the renewals, and the server ends the session if it is
// idle after that for longer than the lease has left. So neither a renewal nor a
// takeover waits for a holder that was stopped between Check and its commit.
//
// # What has to hold
//
// The database must keep what it has acknowledged: with a standby that may be promoted,
// synchronous replication. Each write of this package raises synchronous_commit to "on"
// if it is lower. Two primaries at once (split brain) are two stores, and two holders.
//
// The functions pg_current_wal_lsn and pg_walfile_name must be allowed, as they are by
// default. A server in recovery is refused. A role needs SELECT, INSERT and UPDATE on both
// tables, and the right to create tables only while they are missing. For Check alone it
// needs SELECT on both, and UPDATE on cantonlb_lease_token, of which it locks a row.
//
// # Defaults
//
// The tables are cantonlb_lease and cantonlb_lease_token, found by the search_path
// unless Config.Schema names a schema. Statements use the extended protocol without
// names (pgx.QueryExecModeExec), which pgbouncer passes in all modes. LISTEN needs a
// direct connection, Config.Listen; without one, candidates poll.
package pglease
