package pglease

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Tables is the SQL that creates the tables where the search_path leads, if they do
// not exist. CreateTables runs it.
const Tables = `CREATE TABLE IF NOT EXISTS cantonlb_lease (
	name     text PRIMARY KEY,
	holder   text NOT NULL,
	token    bigint NOT NULL,
	sequence bigint NOT NULL,
	ttl_ms   bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS cantonlb_lease_token (
	name  text PRIMARY KEY,
	token bigint NOT NULL
)`

const (
	leaseTable = "cantonlb_lease"
	// channel is that of the notifications of a change of holder, in all schemas of a
	// database. Each payload is a notice.
	channel = "cantonlb_lease"
	// createLock is the number of the advisory lock of those who create the tables.
	createLock int64 = 0x63616e746f6e6c62
)

// now is in each statement that writes. It says which timeline the server is on, which
// fails in recovery, and raises synchronous_commit for this transaction, which the
// statement is.
const now = `now AS MATERIALIZED (
	SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint AS timeline,
		set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply'
			THEN 'remote_apply' ELSE 'on' END, true) AS durable
)`

const readSQL = `SELECT holder, token, sequence, ttl_ms,
	('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
	FROM cantonlb_lease WHERE name = $1::text`

// acquireSQL replaces the row if its holder, its token and its sequence, and the timeline,
// are those that were seen, or makes it if none was seen. The token's row follows, in the same
// transaction and always after the other one.
const acquireSQL = `WITH ` + now + `, taken AS (
	INSERT INTO cantonlb_lease AS l (name, holder, token, sequence, ttl_ms)
	SELECT $1::text, $2::text, greatest((timeline << 40) + 1,
			1 + coalesce((SELECT token FROM cantonlb_lease_token WHERE name = $1::text), 0)), 1, $3::bigint
		FROM now WHERE durable <> '' AND ($6::bigint = 0
			OR timeline = $4::bigint AND EXISTS (SELECT FROM cantonlb_lease WHERE name = $1::text))
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = greatest(l.token + 1, excluded.token),
			sequence = l.sequence + 1, ttl_ms = excluded.ttl_ms
		WHERE l.token = $5::bigint AND l.sequence = $6::bigint AND l.holder = $7::text
	RETURNING l.name, l.token, l.sequence, l.tableoid::bigint AS origin
), fenced AS (
	INSERT INTO cantonlb_lease_token SELECT name, token FROM taken
	ON CONFLICT (name) DO UPDATE SET token = excluded.token
	RETURNING token, pg_notify('cantonlb_lease', json_build_object('name', name, 'table', (SELECT origin FROM taken))::text)
)
SELECT taken.token, taken.sequence, now.timeline FROM taken, fenced, now`

const renewSQL = `WITH ` + now + `
UPDATE cantonlb_lease SET sequence = sequence + 1 FROM now
	WHERE name = $1::text AND holder = $2::text AND token = $3::bigint AND durable <> ''
	RETURNING sequence, ttl_ms, timeline`

const releaseSQL = `WITH ` + now + `, freed AS (
	UPDATE cantonlb_lease SET holder = '', sequence = sequence + 1 FROM now
		WHERE name = $1::text AND holder = $2::text AND token = $3::bigint AND durable <> ''
		RETURNING pg_notify('cantonlb_lease', json_build_object('name', name, 'table', cantonlb_lease.tableoid::bigint,
			'version', timeline || '/' || token || '/' || sequence, 'ttl_ms', ttl_ms)::text)
)
SELECT count(*) FROM freed`

// checkSQL has a row if the token is the present one, which it stays until the end of
// the transaction. The session may be idle in the transaction for the time left, or
// for what it was set to if that is less.
const checkSQL = `SELECT set_config('idle_in_transaction_session_timeout', (
		SELECT greatest(1, CASE WHEN set_ms > 0 THEN least(set_ms, left_ms) ELSE left_ms END)::bigint::text FROM (
			SELECT extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval) * 1000 AS set_ms,
				coalesce($3::bigint, (SELECT ttl_ms FROM cantonlb_lease WHERE name = $1::text), 1) AS left_ms) AS idle
	), true)
	FROM (SELECT FROM cantonlb_lease_token WHERE name = $1::text AND token = $2::bigint FOR SHARE) AS held`

// originSQL returns the number of the table that notices have.
const originSQL = `SELECT $1::text::regclass::oid::bigint`

// existSQL reports whether both tables exist.
const existSQL = `SELECT to_regclass($1::text) IS NOT NULL AND to_regclass($2::text) IS NOT NULL`

// tables are the statements for the tables of one schema.
type tables struct {
	schema, lease, token                 string
	read, acquire, renew, release, check string
}

func tablesIn(schema string) tables {
	in := func(sql string) string {
		if schema == "" {
			return sql
		}
		sql = strings.ReplaceAll(sql, "'cantonlb_lease'", "\x00") // the channel
		sql = strings.ReplaceAll(sql, leaseTable, pgx.Identifier{schema}.Sanitize()+"."+leaseTable)
		return strings.ReplaceAll(sql, "\x00", "'cantonlb_lease'")
	}
	return tables{
		schema: schema, lease: in(leaseTable), token: in(leaseTable + "_token"),
		read: in(readSQL), acquire: in(acquireSQL), renew: in(renewSQL), release: in(releaseSQL), check: in(checkSQL),
	}
}

// create are the statements that make the tables.
func (t tables) create() []string {
	sql := Tables
	if t.schema != "" {
		sql = strings.ReplaceAll(sql, leaseTable, pgx.Identifier{t.schema}.Sanitize()+"."+leaseTable)
	}
	return strings.Split(sql, ";\n")
}
