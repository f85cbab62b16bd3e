package participant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The stores that the replicas can share. Auto is Postgres if it is installed.
const (
	Auto     = "auto"
	Postgres = "postgres"
	Memory   = "memory"
)

// StepLimit bounds operations that should take a moment.
const StepLimit = 30 * time.Second

// Update is one line of the ledger. Its fields are in the order of the columns.
type Update struct {
	Offset int64
	// CommandID identifies duplicates, and SubmissionID the submission that wrote
	// the line.
	CommandID, Text, Writer, SubmissionID string
}

// Store is what the replicas share, from this program's side.
type Store interface {
	// Address returns the address for a replica.
	Address() string
	// Describe returns a description of the store.
	Describe() string
	// EndSession ends the session that holds the lock, as an administrator can.
	EndSession(ctx context.Context) error
	// All returns the whole ledger.
	All(ctx context.Context) ([]Update, error)
	// Close ends the store and removes it.
	Close() error
}

// Session is a replica's connection to the store. When it ends, for whatever
// reason, the lock is released and the replica can no longer write. This keeps two
// replicas from writing at the same time, whatever they believe. Its methods are
// safe for concurrent use.
type Session interface {
	// TryLock acquires the lock that makes a replica active, if it is free.
	TryLock(ctx context.Context) (bool, error)
	// Ping returns an error if the session has ended.
	Ping(ctx context.Context) error
	// Append writes an update. If its command is in the ledger already, the update
	// is not written again, and the error is ErrDuplicate.
	Append(ctx context.Context, u Update) (offset int64, err error)
	// After returns some of the updates after an offset.
	After(ctx context.Context, offset int64) ([]Update, error)
	// End returns the last offset, 0 for an empty ledger.
	End(ctx context.Context) (int64, error)
	// Find returns the update of a command.
	Find(ctx context.Context, commandID string) (Update, error)
	// Close ends the session.
	Close()
}

// ErrDuplicate is the error of a command that is not executed again.
var ErrDuplicate = errors.New("the command is in the ledger already")

// OpenStore starts the store.
func OpenStore(ctx context.Context, kind string) (Store, error) {
	if kind == Memory {
		return newMemory(ctx)
	}
	s, err := startPostgres(ctx)
	switch {
	case err == nil:
		return s, nil
	case kind == Auto && errors.Is(err, ErrNotInstalled):
		fmt.Printf("%v: an in-memory lock in this program is used instead\n", err)
		return newMemory(ctx)
	default:
		return nil, err
	}
}

// ErrNotInstalled is the error if there is no PostgreSQL to start.
var ErrNotInstalled = errors.New("PostgreSQL is not installed")

// OpenSession connects a replica to the store with this address.
func OpenSession(ctx context.Context, address string) (Session, error) {
	if at, ok := strings.CutPrefix(address, Memory+":"); ok {
		return dialMemory(ctx, at)
	}
	return dialPostgres(ctx, strings.TrimPrefix(address, Postgres+":"))
}

// Installed reports whether there is a PostgreSQL that OpenStore can start.
func Installed() bool {
	_, err := postgresBinaries()
	return err == nil
}
