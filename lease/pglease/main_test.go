//go:build unix

package pglease_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/lease/store"
)

func TestMain(m *testing.M) {
	proctest.Child(openChild)
	goleak.VerifyTestMain(m)
}

// openChild opens the store of a candidate, whose actions are transactions that check
// its token. The pool retires its connections all the time.
func openChild(ctx context.Context, dsn string) (store.Store, proctest.Act, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, nil, err
	}
	config.MaxConnLifetime = 200 * time.Millisecond
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	s, err := pglease.New(pglease.Config{Pool: pool})
	if err != nil {
		return nil, nil, err
	}
	return s, func(ctx context.Context, l lease.Lease) {
		// A query that is called off sends a cancel request, which crashes pgbouncer 1.18
		// now and then ("bad client state").
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_ = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { // an action that is refused has not happened
			if _, err := tx.Exec(ctx, "INSERT INTO acts (name, token) VALUES ($1, $2)", l.Name, int64(l.Token)); err != nil {
				return err
			}
			return pglease.Check(ctx, tx, l.Name, l.Token)
		})
	}, nil
}
