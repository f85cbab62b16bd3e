package participant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What the replicas may share. Auto is Postgres if it is installed.
const (
	Auto     = "auto"
	Postgres = "postgres"
	Memory   = "memory"
)

// StepLimit is how long something may take that should take a moment.
const StepLimit = 30 * time.Second

// Update is one line of the ledger. Its fields stand in the order of the columns.
type Update struct {
	Offset int64
	// CommandID is what duplicates are told apart by, SubmissionID who has written the line.
	CommandID, Text, Writer, SubmissionID string
}

// Store is what the replicas share, as this program sees it.
type Store interface {
	// Address is where a replica finds it.
	Address() string
	// Describe says what it is.
	Describe() string
	// EndSession ends the session that holds the lock, as an administrator can.
	EndSession(ctx context.Context) error
	// All returns the whole ledger.
	All(ctx context.Context) ([]Update, error)
	// Close ends the store and removes it.
	Close() error
}

// Session is a replica's connection to the store. Its end, however it comes, frees
// the lock, and with the session ends whatever the replica could write: that is
// what keeps two replicas from writing at once, whatever they believe themselves.
// Its methods are safe for concurrent use.
type Session interface {
	// TryLock takes the lock that makes a replica active, if it is free.
	TryLock(ctx context.Context) (bool, error)
	// Ping tells whether the session lives.
	Ping(ctx context.Context) error
	// Append writes an update. One whose command stands in the ledger already is
	// not written again, and ErrDuplicate.
	Append(ctx context.Context, u Update) (offset int64, err error)
	// After returns some of the updates after an offset.
	After(ctx context.Context, offset int64) ([]Update, error)
	// End returns the last offset, 0 of an empty ledger.
	End(ctx context.Context) (int64, error)
	// Find returns the update of a command.
	Find(ctx context.Context, commandID string) (Update, error)
	// Close ends the session.
	Close()
}

// ErrDuplicate is the error of a command that is not carried out again.
var ErrDuplicate = errors.New("the command stands in the ledger already")

// OpenStore makes the store.
func OpenStore(ctx context.Context, kind string) (Store, error) {
	if kind == Memory {
		return newMemory(ctx)
	}
	s, err := startPostgres(ctx)
	switch {
	case err == nil:
		return s, nil
	case kind == Auto && errors.Is(err, ErrNotInstalled):
		fmt.Printf("%v: an in-memory lock in this program takes its place\n", err)
		return newMemory(ctx)
	default:
		return nil, err
	}
}

// ErrNotInstalled is the error where there is no PostgreSQL to start.
var ErrNotInstalled = errors.New("PostgreSQL is not installed")

// OpenSession connects a replica to the store with this address.
func OpenSession(ctx context.Context, address string) (Session, error) {
	if at, ok := strings.CutPrefix(address, Memory+":"); ok {
		return dialMemory(ctx, at)
	}
	return dialPostgres(ctx, strings.TrimPrefix(address, Postgres+":"))
}

// Installed tells whether there is a PostgreSQL that OpenStore can start.
func Installed() bool {
	_, err := postgresBinaries()
	return err == nil
}
