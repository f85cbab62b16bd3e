// Package etcdlease keeps leases in etcd, for package lease.
//
// # Why
//
// etcd has leases of its own, and its Go client an election on top of them. That
// session keeps a lease alive as long as it can, and says so on a channel when it
// could not any more: when the answers stop, it is late. Here the holder counts by its
// own clock from before each renewal was sent, as with every store of package lease:
//
//	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints})
//	store, err := etcdlease.New(etcdlease.Config{Client: client})
//	err = lease.Run(ctx, lease.Config{Store: store, Name: "pink"}, work)
//
// # How
//
// The lease with the name N is the key Prefix + N, attached to a lease of etcd, which
// removes the key when it was not renewed for its TTL. The token is the revision at
// which the holder has written the key; it grows as all revisions of a cluster do.
// Candidates watch the key.
//
// A renewal is answered by etcd's leader. So that it was not one that the others have
// replaced already, the key is read afterwards, which takes a quorum, and the renewal
// counts only if both answers are of the same raft term.
//
// # Checking the token
//
// [Guard] is the condition for a transaction of etcd that fails for a stale holder:
//
//	client.Txn(ctx).If(store.Guard("pink", l.Token)).Then(...)
//
// For what is written elsewhere, that place has to compare tokens.
//
// # Limits
//
// etcd counts whole seconds, so that a TTL is rounded up, and it does not grant less
// than its election takes, about two seconds by default; a takeover takes that
// longer. etcd removes expired leases within half a second or so. After its leader
// has changed, all leases stand for their whole TTL again.
//
// A cluster that was restored from a snapshot may count revisions from an older one,
// unless etcdutl bumps them: tokens go back. A candidate that has seen a
// greater one refuses those (lease.EventRefused).
package etcdlease
