package participant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
)

// lockID is the number of the advisory lock that makes a replica active.
const lockID = 0x1ed9e4

// queryLimit bounds a query, and so how long a replica may wait for a database that
// does not answer.
const queryLimit = 5 * time.Second

const createTable = `CREATE TABLE updates (
	"offset" bigint PRIMARY KEY, command_id text NOT NULL UNIQUE, "text" text NOT NULL, writer text NOT NULL,
	submission_id text NOT NULL)`

// Only the holder of the lock writes, so the greatest offset plus one is free. If
// two sessions ever wrote, the primary key would reject one of the updates.
const appendUpdate = `INSERT INTO updates
	SELECT coalesce(max("offset"), 0) + 1, $1, $2, $3, $4 FROM updates
	ON CONFLICT (command_id) DO NOTHING RETURNING "offset"`

const columns = `SELECT "offset", command_id, "text", writer, submission_id FROM updates `

const (
	selectUpdates = columns + `WHERE "offset" > $1 ORDER BY "offset" LIMIT $2`
	selectCommand = columns + `WHERE command_id = $1`
)

// mostUpdates bounds how many updates are read at a time.
const mostUpdates = 1000

// postgresSession is a session of PostgreSQL. The lock and all writes use its one
// connection: a replica that has lost the lock has lost the connection, too.
type postgresSession struct {
	mu   sync.Mutex
	conn *pgx.Conn
}

func dialPostgres(ctx context.Context, address string) (*postgresSession, error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return &postgresSession{conn: conn}, nil
}

// do runs f with exclusive use of the connection, for a bounded time.
func (s *postgresSession) do(ctx context.Context, f func(context.Context) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	return f(ctx)
}

func (s *postgresSession) TryLock(ctx context.Context) (got bool, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		return s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockID).Scan(&got)
	})
	return got, err
}

func (s *postgresSession) Ping(ctx context.Context) error { return s.do(ctx, s.conn.Ping) }

func (s *postgresSession) Append(ctx context.Context, u Update) (offset int64, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		return s.conn.QueryRow(ctx, appendUpdate, u.CommandID, u.Text, u.Writer, u.SubmissionID).Scan(&offset)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrDuplicate
	}
	return offset, err
}

func (s *postgresSession) After(ctx context.Context, offset int64) (list []Update, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		rows, err := s.conn.Query(ctx, selectUpdates, offset, mostUpdates)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Update])
		return err
	})
	return list, err
}

// End implements Session.
func (s *postgresSession) End(ctx context.Context) (end int64, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		return s.conn.QueryRow(ctx, `SELECT coalesce(max("offset"), 0) FROM updates`).Scan(&end)
	})
	return end, err
}

// Find implements Session.
func (s *postgresSession) Find(ctx context.Context, commandID string) (u Update, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		rows, err := s.conn.Query(ctx, selectCommand, commandID)
		if err != nil {
			return err
		}
		u, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Update])
		return err
	})
	return u, err
}

func (s *postgresSession) Close() {
	_ = s.do(context.Background(), s.conn.Close) // the server releases the lock in any case
}

// postgres is a PostgreSQL server that this program has started.
type postgres struct {
	server  *postgresServer
	session *postgresSession // the program's own
}

func startPostgres(ctx context.Context) (Store, error) {
	server, err := startPostgresServer(ctx)
	if err != nil {
		return nil, err
	}
	p := &postgres{server: server}
	if p.session, err = p.await(ctx); err == nil {
		err = p.session.do(ctx, func(ctx context.Context) error {
			_, err := p.session.conn.Exec(ctx, createTable)
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL: %w", err), p.Close()) //nolint:contextcheck // it is closed regardless of ctx
	}
	return p, nil
}

// await waits until the server accepts connections.
func (p *postgres) await(ctx context.Context) (*postgresSession, error) {
	ctx, cancel := context.WithTimeout(ctx, StepLimit)
	defer cancel()
	for {
		s, err := dialPostgres(ctx, p.server.connString())
		if err == nil || !cli.Wait(ctx, 20*time.Millisecond) {
			return s, err
		}
	}
}

func (p *postgres) Address() string { return Postgres + ":" + p.server.connString() }

func (p *postgres) Describe() string {
	return "a PostgreSQL database: the replica that holds its advisory lock is active"
}

func (p *postgres) EndSession(ctx context.Context) error {
	var ended bool
	err := p.session.do(ctx, func(ctx context.Context) error {
		return p.session.conn.QueryRow(ctx, `SELECT pg_terminate_backend(pid) FROM pg_locks
			WHERE locktype = 'advisory' AND granted LIMIT 1`).Scan(&ended)
	})
	if err == nil && !ended {
		err = errors.New("the session that holds the lock did not end")
	}
	return err
}

func (p *postgres) All(ctx context.Context) ([]Update, error) {
	var all []Update
	for {
		list, err := p.session.After(ctx, int64(len(all)))
		if err != nil || len(list) == 0 {
			return all, err
		}
		all = append(all, list...)
	}
}

func (p *postgres) Close() error {
	if p.session != nil {
		p.session.Close()
	}
	return p.server.close()
}
