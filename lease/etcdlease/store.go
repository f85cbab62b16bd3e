package etcdlease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/cantonlb/cantonlb/lease/store"
)

// Config says where the leases are.
type Config struct {
	// Client is used for all requests, and is not closed. Required.
	Client *clientv3.Client
	// Prefix is what each key begins with. Default "/cantonlb/lease/".
	Prefix string
}

const defaultPrefix = "/cantonlb/lease/"

// revokeLimit bounds the revocation of a lease that is not needed.
const revokeLimit = 2 * time.Second

// Store keeps leases in etcd. Its methods are safe for concurrent use. It needs no
// Close.
type Store struct {
	client *clientv3.Client
	prefix string
}

var _ store.Watcher = (*Store)(nil)

// New returns a Store. It does not connect.
func New(cfg Config) (*Store, error) {
	if cfg.Client == nil {
		return nil, errors.New("etcdlease: Client is nil; want a *clientv3.Client")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	return &Store{client: cfg.Client, prefix: cfg.Prefix}, nil
}

// value is what a key holds.
type value struct {
	Holder    string `json:"holder"`
	TTLMillis int64  `json:"ttlMillis"`
}

func (s *Store) key(name string) string { return s.prefix + name }

// Guard is the condition that token is that of the present holder of the lease.
func (s *Store) Guard(name string, token uint64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(s.key(name)), "=", int64(token))
}

// Read is that of store.Store.
func (s *Store) Read(ctx context.Context, name string) (store.Record, error) {
	r, _, err := s.read(ctx, name)
	return r, wrap("reading", err)
}

func (s *Store) read(ctx context.Context, name string) (store.Record, *clientv3.GetResponse, error) {
	answer, err := s.client.Get(ctx, s.key(name))
	if err != nil {
		return store.Record{}, nil, err
	}
	if len(answer.Kvs) == 0 {
		return store.Record{Expires: true}, answer, nil
	}
	r, err := record(answer.Kvs[0])
	return r, answer, err
}

// record reads a key. Its version is its revision and the lease of etcd.
func record(kv *mvccpb.KeyValue) (store.Record, error) {
	var v value
	if err := json.Unmarshal(kv.GetValue(), &v); err != nil {
		return store.Record{}, fmt.Errorf("key %q: want what this package writes: %w", kv.GetKey(), err)
	}
	return complete(v, kv.GetModRevision(), clientv3.LeaseID(kv.GetLease())), nil
}

func complete(v value, revision int64, id clientv3.LeaseID) store.Record {
	return store.Record{
		Holder: v.Holder, Token: uint64(revision), TTL: time.Duration(v.TTLMillis) * time.Millisecond,
		Version: fmt.Sprintf("%d/%x", revision, int64(id)), Expires: true,
	}
}

// parseVersion reads what complete has written; no version is that of no key.
func parseVersion(text string) (revision int64, id clientv3.LeaseID, err error) {
	if text == "" {
		return 0, clientv3.NoLease, nil
	}
	var number int64
	if _, err := fmt.Sscanf(text, "%d/%x", &revision, &number); err != nil {
		return 0, 0, fmt.Errorf("etcdlease: Version %q: want one that this package has made", text)
	}
	return revision, clientv3.LeaseID(number), nil
}

// Acquire is that of store.Store.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration, seen store.Record) (store.Record, error) {
	revision, before, err := parseVersion(seen.Version)
	if err != nil {
		return store.Record{}, err
	}
	v := value{Holder: holder, TTLMillis: max(ttl.Milliseconds(), 1)}
	text, err := json.Marshal(v)
	if err != nil {
		return store.Record{}, wrap("acquiring", err)
	}
	granted, err := s.client.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return store.Record{}, wrap("acquiring", err)
	}
	answer, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(s.key(name)), "=", revision)).
		Then(clientv3.OpPut(s.key(name), string(text), clientv3.WithLease(granted.ID))).
		Commit()
	switch {
	case errors.Is(err, rpctypes.ErrPermissionDenied): // it is tried again and again
		s.revoke(ctx, granted.ID)
		return store.Record{}, wrap("acquiring", err)
	case err != nil:
		// It may have been written, so that the lease has to stay.
		return store.Record{}, wrap("acquiring", err)
	case !answer.Succeeded:
		s.revoke(ctx, granted.ID)
		return store.Record{}, wrap("acquiring", store.ErrConflict)
	}
	if before != clientv3.NoLease {
		s.revoke(ctx, before) // its own, from before: no key is attached to it any more
	}
	return complete(v, answer.Header.GetRevision(), granted.ID), nil
}

// revoke ends a lease that nothing is attached to. If that fails, it ends by itself.
func (s *Store) revoke(ctx context.Context, id clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(ctx, revokeLimit)
	defer cancel()
	_, _ = s.client.Revoke(ctx, id)
}

// Renew is that of store.Store.
func (s *Store) Renew(ctx context.Context, name string, own store.Record) (store.Record, error) {
	_, id, err := parseVersion(own.Version)
	if err != nil {
		return store.Record{}, err
	}
	kept, err := s.client.KeepAliveOnce(ctx, id)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return store.Record{}, wrap("renewing", store.ErrConflict)
	}
	if err != nil {
		return store.Record{}, wrap("renewing", err)
	}
	r, answer, err := s.read(ctx, name)
	switch {
	case err != nil:
		return store.Record{}, wrap("renewing", err)
	case r.Holder != own.Holder || r.Token != own.Token:
		return store.Record{}, wrap("renewing", store.ErrConflict)
	case kept.GetRaftTerm() != answer.Header.GetRaftTerm():
		return store.Record{}, fmt.Errorf("etcdlease: renewing: the leader has changed: raft term %d, then %d",
			kept.GetRaftTerm(), answer.Header.GetRaftTerm())
	}
	return r, nil
}

// Release is that of store.Store. The end of the lease of etcd removes the key, if the
// key is still attached to it.
func (s *Store) Release(ctx context.Context, name string, own store.Record) error {
	_, id, err := parseVersion(own.Version)
	if err != nil {
		return err
	}
	if id == clientv3.NoLease { // another program has written the key
		_, err = s.client.Txn(ctx).If(s.Guard(name, own.Token)).Then(clientv3.OpDelete(s.key(name))).Commit()
	} else if _, err = s.client.Revoke(ctx, id); errors.Is(err, rpctypes.ErrLeaseNotFound) {
		err = nil // it has expired, or the key has another one since
	}
	return wrap("releasing", err)
}

// Watch is that of store.Watcher.
func (s *Store) Watch(ctx context.Context, name string, changed func(now *store.Record)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := s.client.Watch(clientv3.WithRequireLeader(ctx), s.key(name), clientv3.WithCreatedNotify())
	for answer := range events {
		if err := answer.Err(); err != nil {
			return wrap("watching", err)
		}
		if n := len(answer.Events); n > 0 { // a renewal writes nothing
			changed(after(answer.Events[n-1]))
		} else if answer.Created {
			changed(nil)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("etcdlease: watching: the client was closed")
}

// after returns the record after an event; nil if another program has written it.
func after(e *clientv3.Event) *store.Record {
	if e.Type == clientv3.EventTypeDelete { //nolint:protogetter // clientv3.Event is a type of its own
		return &store.Record{Expires: true}
	}
	r, err := record(e.Kv) //nolint:protogetter // as above
	if err != nil {
		return nil // Read returns the error
	}
	return &r
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("etcdlease: %s: %w", what, err)
}
