package k8slease

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/cantonlb/cantonlb/lease/store"
)

// The annotations of an object.
const (
	// TokenKey holds the fencing token, in decimal.
	TokenKey = "cantonlb.github.io/token" //nolint:gosec // a fencing token is no secret
	// NameKey holds the name of the lease, which the object's own may not be.
	NameKey = "cantonlb.github.io/name"
	// SequenceKey holds a number that grows with each acquisition, renewal and release.
	SequenceKey = "cantonlb.github.io/sequence"
)

// attempts is how often a write is tried when others change the object at the same time,
// its labels say.
const attempts = 5

// Config says where the leases are.
type Config struct {
	// Leases are those of one namespace. Required.
	Leases coordinationclient.LeaseInterface
}

// Store keeps leases in Kubernetes. Its methods are safe for concurrent use. It needs no
// Close.
type Store struct {
	leases coordinationclient.LeaseInterface
}

var _ store.Watcher = (*Store)(nil)

// New returns a Store. It does not connect.
func New(cfg Config) (*Store, error) {
	if cfg.Leases == nil {
		return nil, errors.New("k8slease: Leases is nil; want those of a namespace")
	}
	return &Store{leases: cfg.Leases}, nil
}

// allowed is what the name of an object may be: a part of a DNS name, and none that
// stands for another one.
var allowed = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

const checksumPrefix = "cantonlb-sha256-"

// objectName is the name of the object of a lease.
func objectName(name string) string {
	if allowed.MatchString(name) && (len(name) < len(checksumPrefix) || name[:len(checksumPrefix)] != checksumPrefix) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return checksumPrefix + hex.EncodeToString(sum[:16])
}

// Read is that of store.Store.
func (s *Store) Read(ctx context.Context, name string) (store.Record, error) {
	object, err := s.leases.Get(ctx, objectName(name), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return store.Record{}, nil
	}
	if err != nil {
		return store.Record{}, wrap("reading", err)
	}
	return record(object), nil
}

// record reads an object. One that another program has made has no token.
func record(object *coordination.Lease) store.Record {
	r := store.Record{Version: version(object), Token: number(object, TokenKey)}
	if holder := object.Spec.HolderIdentity; holder != nil {
		r.Holder = *holder
	}
	if seconds := object.Spec.LeaseDurationSeconds; seconds != nil {
		r.TTL = time.Duration(*seconds) * time.Second
	}
	return r
}

// version is another one after each acquisition, renewal and release, of other programs
// too, which change the specification. The resource version would be another one after
// every change of a label as well, so that a holder that is gone would be waited for
// anew.
func version(object *coordination.Lease) string {
	text, _ := json.Marshal(object.Spec) //nolint:errchkjson // it has numbers, texts and times
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%s/%d/%d/%x", object.UID, number(object, TokenKey), number(object, SequenceKey), sum[:8])
}

// number returns that of an annotation, 0 if there is none.
func number(object *coordination.Lease, key string) uint64 {
	n, _ := strconv.ParseUint(object.Annotations[key], 10, 64)
	return n
}

// count makes the number of an annotation greater by one.
func count(object *coordination.Lease, key string) {
	if object.Annotations == nil {
		object.Annotations = make(map[string]string)
	}
	object.Annotations[key] = strconv.FormatUint(number(object, key)+1, 10)
}

// Acquire is that of store.Store.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration, seen store.Record) (store.Record, error) {
	const what = "acquiring"
	var err error
	for sent := range attempts {
		var object *coordination.Lease
		var now store.Record
		object, err = s.leases.Get(ctx, objectName(name), metav1.GetOptions{})
		switch {
		case err == nil:
			now = record(object)
		case !apierrors.IsNotFound(err):
			return store.Record{}, wrap(what, err)
		}
		switch {
		case now.Version == seen.Version:
		case sent > 0 && now.Holder == holder && now.Token > seen.Token:
			// It was written although the answer was an error: the client sends a request
			// again after a 5xx with a Retry-After, and that one was refused because of it.
			return now, nil
		default:
			return store.Record{}, wrap(what, store.ErrConflict)
		}
		if now.Version == "" {
			object = &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Name: objectName(name)}}
			take(object, name, holder, ttl)
			object, err = s.leases.Create(ctx, object, metav1.CreateOptions{})
		} else {
			take(object, name, holder, ttl)
			object, err = s.leases.Update(ctx, object, metav1.UpdateOptions{})
		}
		switch {
		case err == nil:
			return record(object), nil
		case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		case apierrors.IsNotFound(err) && now.Version != "": // it was deleted meanwhile
		default:
			return store.Record{}, wrap(what, err)
		}
	}
	return store.Record{}, busy(what, err)
}

// take makes holder the holder.
func take(object *coordination.Lease, name, holder string, ttl time.Duration) {
	count(object, TokenKey)
	count(object, SequenceKey)
	object.Annotations[NameKey] = name
	seconds, now, transitions := int32(max(1, (ttl+time.Second-1)/time.Second)), metav1.NowMicro(), int32(0)
	if before := object.Spec.LeaseTransitions; before != nil {
		transitions = *before + 1
	}
	object.Spec.HolderIdentity, object.Spec.LeaseDurationSeconds = &holder, &seconds
	object.Spec.AcquireTime, object.Spec.RenewTime = &now, &now // for people; nothing depends on them
	object.Spec.LeaseTransitions = &transitions
}

// Renew is that of store.Store.
func (s *Store) Renew(ctx context.Context, name string, own store.Record) (store.Record, error) {
	return s.edit(ctx, "renewing", name, own, func(object *coordination.Lease) {
		now := metav1.NowMicro()
		object.Spec.RenewTime = &now // for people, as the others
	})
}

// Release is that of store.Store.
func (s *Store) Release(ctx context.Context, name string, own store.Record) error {
	_, err := s.edit(ctx, "releasing", name, own, func(object *coordination.Lease) {
		free := ""
		object.Spec.HolderIdentity = &free
	})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// edit changes the holder's own record, whatever others do to the object besides. The
// error is ErrConflict only if the record is not the holder's.
func (s *Store) edit(ctx context.Context, what, name string, own store.Record, change func(*coordination.Lease)) (store.Record, error) {
	var err error
	for range attempts {
		var object *coordination.Lease
		object, err = s.leases.Get(ctx, objectName(name), metav1.GetOptions{})
		if err == nil {
			if r := record(object); r.Free() || r.Holder != own.Holder || r.Token != own.Token {
				return store.Record{}, wrap(what, store.ErrConflict)
			}
			change(object)
			count(object, SequenceKey)
			object, err = s.leases.Update(ctx, object, metav1.UpdateOptions{})
		}
		switch {
		case err == nil:
			return record(object), nil
		case apierrors.IsNotFound(err): // it was deleted
			return store.Record{}, wrap(what, store.ErrConflict)
		case !apierrors.IsConflict(err):
			return store.Record{}, wrap(what, err)
		}
	}
	return store.Record{}, busy(what, err)
}

func busy(what string, err error) error {
	return fmt.Errorf("k8slease: %s: others change the object all the time: %w", what, err)
}

// Watch is that of store.Watcher.
func (s *Store) Watch(ctx context.Context, name string, changed func(now *store.Record)) error {
	w, err := s.leases.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + objectName(name)})
	if err != nil {
		return wrap("watching", err)
	}
	defer w.Stop()
	changed(nil)
	for last := (store.Record{}); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.ResultChan():
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case !ok:
				return errors.New("k8slease: watching: the API server has ended it")
			case e.Type == watch.Error:
				return wrap("watching", apierrors.FromObject(e.Object))
			}
			object, ok := e.Object.(*coordination.Lease)
			if !ok {
				continue
			}
			r := record(object)
			switch {
			case e.Type == watch.Deleted:
				changed(nil)
			case r.Holder != last.Holder || r.Token != last.Token:
				changed(&r)
			}
			last = r
		}
	}
}

func wrap(what string, err error) error { return fmt.Errorf("k8slease: %s: %w", what, err) }
