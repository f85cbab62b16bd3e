package pglease_test

import (
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/pglease"
)

func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://pgbouncer.example.com:6432/app")
	if err != nil {
		slog.Error("the database", "error", err)
		return
	}
	defer pool.Close()
	store, err := pglease.New(pglease.Config{Pool: pool, Listen: "postgres://db.example.com:5432/app"})
	if err != nil {
		slog.Error("the store", "error", err)
		return
	}
	if err := store.CreateTables(ctx); err != nil {
		slog.Error("the tables", "error", err)
		return
	}
	err = lease.Run(ctx, lease.Config{Store: store, Name: "pink"}, func(ctx context.Context, l lease.Lease) error {
		for ctx.Err() == nil {
			err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "INSERT INTO payments (amount) VALUES ($1)", 7); err != nil {
					return err
				}
				return pglease.Check(ctx, tx, l.Name, l.Token) // the last statement
			})
			if err != nil && !errors.Is(err, pglease.ErrStale) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		slog.Error("the work", "error", err)
	}
}
