package store

import (
	"context"
	"errors"
	"time"
)

// ErrConflict is the error of an Acquire or Renew that was refused because the
// record is not the one that the caller has seen or holds. It means that nothing
// was written; after any other error that is not known.
var ErrConflict = errors.New("the lease has another record")

// Record is what a store holds for one name. The zero Record is that of a name that
// was never held.
type Record struct {
	// Holder is the holder of the lease; "" if it is free.
	Holder string
	// Token is the fencing token: that of the present holder or, if the lease is
	// free, of the last one. Each Acquire makes a greater one.
	Token uint64
	// Version is opaque. Every write makes another one, and none ever comes back.
	// Where Expires is set, a renewal may leave it as it is, and all records that are
	// free may have the same.
	Version string
	// TTL is how long the lease stands after a renewal, as its holder has claimed.
	TTL time.Duration
	// Expires says that the store itself removes the record when it was not renewed
	// for its TTL, so that candidates must not replace it.
	Expires bool
}

// Free reports whether the lease has no holder.
func (r Record) Free() bool { return r.Holder == "" }

// Store keeps a Record for each name. Its methods are safe for concurrent use, and
// return soon after ctx has ended: a candidate's Run waits for them before it returns,
// but work whose lease is lost is canceled in time even if they hang. A request whose
// ctx has ended may still take effect later.
type Store interface {
	// Read returns the record of a name: the newest, at some moment between call and
	// return. A name that was never held has the zero Record.
	Read(ctx context.Context, name string) (Record, error)
	// Acquire makes holder the holder, with a token greater than any before, if the
	// record is still the one seen. Otherwise the error is ErrConflict. It returns
	// the new record.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration, seen Record) (Record, error)
	// Renew makes the lease stand for another TTL, if the holder and the token are
	// still those of own, whatever renewals came between. Otherwise the error is
	// ErrConflict. It returns the new record, with the same holder and token.
	Renew(ctx context.Context, name string, own Record) (Record, error)
	// Release makes the lease free, if the holder and the token are still those of
	// own. If they are not, it does nothing and returns nil.
	Release(ctx context.Context, name string, own Record) error
}

// Watcher is a Store that notifies candidates of changes. Without it, they read the
// record periodically.
type Watcher interface {
	Store
	// Watch calls changed once when it has begun to watch, and after that whenever the
	// lease may have got another holder, or none. The argument is the record that the
	// name has after the change, which saves the candidate a Read, or nil if Watch does
	// not know it. A record that has been replaced in the meantime does no harm. Calls
	// come one at a time. Watch returns when ctx has ended, or with the error that ended
	// the watch; it is then called again later. An error that is errors.ErrUnsupported
	// means that it never works.
	Watch(ctx context.Context, name string, changed func(now *Record)) error
}
