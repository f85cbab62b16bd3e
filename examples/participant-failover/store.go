package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// What the replicas may share.
const (
	storeAuto     = "auto"
	storePostgres = "postgres"
	storeMemory   = "memory"
)

// Update is one line of the ledger.
type Update struct {
	Offset                  int64
	CommandID, Text, Writer string
}

// store is what the replicas share, as this program sees it.
type store interface {
	// address is where a replica finds it.
	address() string
	describe() string
	// endSession ends the session that holds the lock, as an administrator can.
	endSession(ctx context.Context) error
	// all gives the whole ledger.
	all(ctx context.Context) ([]Update, error)
	close() error
}

// session is a replica's connection to the store. Its end, however it comes, frees
// the lock, and with the session ends whatever the replica could write: that is
// what keeps two replicas from writing at once, whatever they believe themselves.
// Its methods are safe for concurrent use.
type session interface {
	// tryLock takes the lock that makes a replica active, if it is free.
	tryLock(ctx context.Context) (bool, error)
	// ping tells whether the session lives.
	ping(ctx context.Context) error
	// append writes an update. One whose command stands in the ledger already is
	// not written again, and errDuplicate.
	append(ctx context.Context, u Update) (offset int64, err error)
	// after gives some of the updates after an offset.
	after(ctx context.Context, offset int64) ([]Update, error)
	close()
}

var errDuplicate = errors.New("the command stands in the ledger already")

// openStore makes the store.
func openStore(ctx context.Context, kind string) (store, error) {
	if kind == storeMemory {
		return newMemory(ctx)
	}
	s, err := startPostgres(ctx)
	switch {
	case err == nil:
		return s, nil
	case kind == storeAuto && errors.Is(err, errNotInstalled):
		fmt.Printf("%v: an in-memory lock in this program takes its place\n", err)
		return newMemory(ctx)
	default:
		return nil, err
	}
}

// errNotInstalled: there is no PostgreSQL here to start.
var errNotInstalled = errors.New("PostgreSQL is not installed")

// openSession connects a replica to the store with this address.
func openSession(ctx context.Context, address string) (session, error) {
	if at, ok := strings.CutPrefix(address, storeMemory+":"); ok {
		return dialMemory(ctx, at)
	}
	return dialPostgres(ctx, strings.TrimPrefix(address, storePostgres+":"))
}
