package main

import (
	"context"
	"errors"
	"fmt"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"
	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/ledger"
)

// The consumer's work: it counts the updates and adds up their offsets, so that a
// missing or repeated update is noticed. The offset is in the same row, and
// therefore in the same transaction.
const (
	createProgress = `CREATE TABLE IF NOT EXISTS progress (
		singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
		"offset" text NOT NULL, updates bigint NOT NULL, total bigint NOT NULL)`
	beginProgress = `INSERT INTO progress ("offset", updates, total) VALUES ('', 0, 0) ON CONFLICT DO NOTHING`
	loadOffset    = `SELECT "offset" FROM progress`
	// An update is counted only if the offset is still that of the previous update:
	// another consumer, or the last transaction of one that was killed, may have
	// changed it.
	takeUpdate     = `UPDATE progress SET "offset" = $1, updates = updates + 1, total = total + $2 WHERE "offset" = $3`
	takeCheckpoint = `UPDATE progress SET "offset" = $1 WHERE "offset" = $2`
)

// errOvertaken is the error of a consumer that is not the only one.
var errOvertaken = errors.New("another consumer has moved the offset")

// consume consumes the updates of a participant from the stored offset, until ctx
// ends. conn leads to the participant's replicas. An error is of the database or of
// the stream, and says which.
func consume(ctx context.Context, conn grpc.ClientConnInterface, database *pgx.Conn, monitor *ledger.Monitor) error {
	for _, statement := range []string{createProgress, beginProgress} {
		if _, err := database.Exec(ctx, statement); err != nil {
			return err
		}
	}
	var stored string
	if err := database.QueryRow(ctx, loadOffset).Scan(&stored); err != nil {
		return err
	}
	last, err := ledger.ParseOffset(stored)
	if err != nil {
		return fmt.Errorf("the stored offset: %w", err)
	}
	take := func(ctx context.Context, statement string, args ...any) error {
		tag, err := database.Exec(ctx, statement, args...) // a transaction of its own
		if err == nil && tag.RowsAffected() != 1 {
			err = errOvertaken
		}
		return err
	}
	stub := v2.NewUpdateServiceClient(conn)
	open := func(ctx context.Context, begin ledger.Offset) (ledger.Receiver[*v2.GetUpdatesResponse], error) {
		return stub.GetUpdates(ctx, &v2.GetUpdatesRequest{BeginExclusive: begin.Int64()})
	}
	for update, err := range ledger.Updates(ctx, last, open, ledger.Options[*v2.GetUpdatesResponse]{
		Node:    ledger.NodeOf(conn),
		Monitor: monitor,
		OnCheckpoint: func(ctx context.Context, offset ledger.Offset) error {
			err := take(ctx, takeCheckpoint, offset.String(), last.String())
			if err == nil {
				last = offset
			}
			return err
		},
	}) {
		switch {
		case err != nil:
			return err
		case update.Checkpoint:
			continue
		}
		if err := take(ctx, takeUpdate, update.Offset.String(), update.Offset.Int64(), last.String()); err != nil {
			return err
		}
		last = update.Offset
	}
	return nil
}
