package pglease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cantonlb/cantonlb/lease/store"
)

// Pool is what the store asks: a *pgxpool.Pool, or anything else that is safe for
// concurrent use.
type Pool interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Config says where the leases are.
type Config struct {
	// Pool is used for all requests, and is not closed. Required.
	Pool Pool
	// Schema holds the tables. Default: the search_path finds them.
	Schema string
	// Listen is a connection string that leads to the server itself, not to pgbouncer,
	// for a connection that waits for notifications while there are candidates, one
	// for each Store. Default none: candidates poll.
	Listen string
}

// Store keeps leases in PostgreSQL. Its methods are safe for concurrent use. It needs
// no Close.
type Store struct {
	pool   Pool
	tables tables
	listen *pgx.ConnConfig // nil for none

	// mu guards listener. Nothing is called under it but listener's own lock.
	mu       sync.Mutex
	listener *listener
}

var _ store.Watcher = (*Store)(nil)

// New returns a Store. It does not connect. The errors name the field of cfg that is
// wrong, without its secrets.
func New(cfg Config) (*Store, error) {
	if cfg.Pool == nil {
		return nil, errors.New("pglease: Pool is nil; want a *pgxpool.Pool")
	}
	if strings.ContainsRune(cfg.Schema, 0) || len(cfg.Schema) > 63 {
		return nil, fmt.Errorf("pglease: Schema %q: want at most 63 bytes without NUL", cfg.Schema)
	}
	s := &Store{pool: cfg.Pool, tables: tablesIn(cfg.Schema)}
	if cfg.Listen != "" {
		listen, err := pgx.ParseConfig(cfg.Listen)
		if err != nil { // which shows the address, with a password that pgx does not recognise as one
			return nil, errors.New(`pglease: Listen: want a connection string, such as "postgres://user@host:5432/database"`)
		}
		s.listen = listen
	}
	return s, nil
}

// CreateTables creates the tables, if they do not exist. Several processes may do so
// at once. If they exist, the right to create tables is not needed.
func (s *Store) CreateTables(ctx context.Context) error {
	// CREATE TABLE IF NOT EXISTS is refused without that right, even if there is nothing to create.
	var exist bool
	if err := s.row(ctx, existSQL, s.tables.lease, s.tables.token).Scan(&exist); err != nil || exist {
		return wrap("creating the tables", err)
	}
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		// CREATE TABLE IF NOT EXISTS fails where two do it at once.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::bigint)", pgx.QueryExecModeExec, createLock); err != nil {
			return err
		}
		for _, statement := range s.tables.create() {
			if _, err := tx.Exec(ctx, statement, pgx.QueryExecModeExec); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("creating the tables", err)
}

// Read is that of store.Store.
func (s *Store) Read(ctx context.Context, name string) (store.Record, error) {
	var (
		r store.Record
		v version
		t int64
	)
	err := s.row(ctx, s.tables.read, name).Scan(&r.Holder, &v.token, &v.sequence, &t, &v.timeline)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Record{}, nil
	}
	if err != nil {
		return store.Record{}, wrap("reading", err)
	}
	return v.complete(r, t), nil
}

// Acquire is that of store.Store.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration, seen store.Record) (store.Record, error) {
	before, err := parseVersion(seen.Version)
	if err != nil {
		return store.Record{}, err
	}
	r, millis := store.Record{Holder: holder}, max(ttl.Milliseconds(), 1)
	var v version
	err = s.row(ctx, s.tables.acquire, name, holder, millis, before.timeline, before.token, before.sequence, seen.Holder).
		Scan(&v.token, &v.sequence, &v.timeline)
	if err != nil {
		return store.Record{}, wrap("acquiring", conflict(err))
	}
	return v.complete(r, millis), nil
}

// Renew is that of store.Store.
func (s *Store) Renew(ctx context.Context, name string, own store.Record) (store.Record, error) {
	r, v := store.Record{Holder: own.Holder}, version{token: int64(own.Token)}
	var millis int64
	err := s.row(ctx, s.tables.renew, name, own.Holder, v.token).Scan(&v.sequence, &millis, &v.timeline)
	if err != nil {
		return store.Record{}, wrap("renewing", conflict(err))
	}
	return v.complete(r, millis), nil
}

// Release is that of store.Store.
func (s *Store) Release(ctx context.Context, name string, own store.Record) error {
	var released int64
	return wrap("releasing", s.row(ctx, s.tables.release, name, own.Holder, int64(own.Token)).Scan(&released))
}

// row asks for one row, in one statement that no pooler has to remember.
func (s *Store) row(ctx context.Context, sql string, args ...any) pgx.Row {
	return s.pool.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
}

// conflict is what it means that a write has found no row.
func conflict(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrConflict
	}
	return err
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pglease: %s: %w", what, err)
}

// version is what changes with each write, and never comes back.
type version struct{ timeline, token, sequence int64 }

func (v version) complete(r store.Record, millis int64) store.Record {
	r.Token, r.TTL = uint64(v.token), time.Duration(millis)*time.Millisecond
	r.Version = fmt.Sprintf("%d/%d/%d", v.timeline, v.token, v.sequence)
	return r
}

// parseVersion reads what complete has written. No version is that of no row.
func parseVersion(text string) (v version, err error) {
	if text == "" {
		return version{}, nil
	}
	if _, err := fmt.Sscanf(text, "%d/%d/%d", &v.timeline, &v.token, &v.sequence); err != nil {
		return version{}, fmt.Errorf("pglease: Version %q: want one that this package has made", text)
	}
	return v, nil
}
