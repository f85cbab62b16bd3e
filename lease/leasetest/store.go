package leasetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/lease/store"
)

// Store keeps leases in memory. It never removes a record by itself, as a database
// would not. Its methods are safe for concurrent use.
type Store struct {
	// mu guards what follows. Nothing foreign is called under it.
	mu       sync.Mutex
	records  map[string]store.Record
	writes   uint64
	watchers map[chan struct{}]string // to the name of the lease
}

var _ store.Watcher = (*Store)(nil)

// NewStore returns an empty Store.
func NewStore() *Store {
	return &Store{records: make(map[string]store.Record), watchers: make(map[chan struct{}]string)}
}

// Read is that of store.Store.
func (s *Store) Read(ctx context.Context, name string) (store.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[name], ctx.Err()
}

// Acquire is that of store.Store.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration, seen store.Record) (store.Record, error) {
	return s.change(ctx, name, func(r *store.Record) error {
		if r.Version != seen.Version {
			return store.ErrConflict
		}
		r.Holder, r.TTL, r.Token = holder, ttl, r.Token+1
		return nil
	})
}

// Renew is that of store.Store.
func (s *Store) Renew(ctx context.Context, name string, own store.Record) (store.Record, error) {
	return s.change(ctx, name, func(r *store.Record) error {
		if r.Holder != own.Holder || r.Token != own.Token {
			return store.ErrConflict
		}
		return nil
	})
}

// Release is that of store.Store.
func (s *Store) Release(ctx context.Context, name string, own store.Record) error {
	_, err := s.change(ctx, name, func(r *store.Record) error {
		if r.Holder != own.Holder || r.Token != own.Token {
			return store.ErrConflict
		}
		r.Holder = ""
		return nil
	})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// Put replaces the record of a name, whatever that is: to take a lease from its
// holder, or to let its token go back, as after a backup was restored. The Version is
// made anew.
func (s *Store) Put(name string, record store.Record) {
	_, _ = s.change(context.Background(), name, func(r *store.Record) error { *r = record; return nil }) // it returns nil
}

// change writes a record, unless edit returns an error.
func (s *Store) change(ctx context.Context, name string, edit func(*store.Record) error) (store.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	record := s.records[name]
	before := record.Token
	if err := edit(&record); err != nil {
		return store.Record{}, err
	}
	s.writes++
	record.Version = strconv.FormatUint(s.writes, 10)
	s.records[name] = record
	for hint, watched := range s.watchers {
		if watched == name && (record.Free() || record.Token != before) {
			select {
			case hint <- struct{}{}:
			default: // it has one to take already
			}
		}
	}
	return record, nil
}

// Watch is that of store.Watcher.
func (s *Store) Watch(ctx context.Context, name string, changed func(now *store.Record)) error {
	hint := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[hint] = name
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, hint)
	}()
	for {
		s.mu.Lock()
		now := s.records[name]
		s.mu.Unlock()
		changed(&now)
		select {
		case <-hint:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
