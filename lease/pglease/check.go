package pglease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cantonlb/cantonlb/lease"
)

// ErrStale is the error of Check in the transaction of a holder whose lease has passed
// on, or has ended by its own clock.
var ErrStale = errors.New("pglease: the lease has passed on")

// Tx is what Check needs of a transaction: a pgx.Tx, or a *pgx.Conn that is in one.
type Tx interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Check makes a transaction of a stale holder fail: the error is ErrStale if token is
// not that of the present holder of the lease. Otherwise the lease cannot pass on
// until the transaction has ended, so that what it commits is within the lease.
//
// Make it the last statement before the commit. From then on the server ends the
// session if it is idle for longer than the lease has left: that of ctx, if it comes
// from the context of work, or else a whole TTL. After an error the transaction has to
// be rolled back. In another isolation than READ COMMITTED a takeover at the same time
// is a serialization failure (SQLSTATE 40001) instead of ErrStale.
//
// Check looks for the tables by the search_path; Store.Check, in Config.Schema.
func Check(ctx context.Context, tx Tx, name string, token uint64) error {
	return check(ctx, tx, checkSQL, name, token)
}

// Check is the function Check with the tables of the store.
func (s *Store) Check(ctx context.Context, tx Tx, name string, token uint64) error {
	return check(ctx, tx, s.tables.check, name, token)
}

func check(ctx context.Context, tx Tx, sql, name string, token uint64) error {
	var left *int64 // in milliseconds; nil if it is not known
	if l, ok := lease.FromContext(ctx); ok && l.Name == name && l.Token == token {
		remaining := l.Left()
		if remaining <= 0 {
			return fmt.Errorf("%w: %q with token %d has ended by its holder's clock", ErrStale, name, token)
		}
		millis := int64(remaining / time.Millisecond)
		left = &millis
	}
	var set string
	err := tx.QueryRow(ctx, sql, pgx.QueryExecModeExec, name, int64(token), left).Scan(&set)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: %q has another token than %d", ErrStale, name, token)
	}
	return wrap("checking the token", err)
}
