// Package store defines what package lease needs of a place that keeps leases.
//
// # Why
//
// A lease is kept where all candidates can see it: in a database, in etcd, in a
// Kubernetes cluster. What these have in common is small: a record for each name,
// which is read, and replaced only by a writer that has seen what it replaces. The
// rest, when a lease has ended, when to renew it, and what to do with an answer that
// is late, is decided in one place, by package lease, and is the same for all.
//
// Packages lease/pglease, lease/etcdlease and lease/k8slease are stores; package lease/leasetest has
// one in memory, and a conformance suite that every store should pass:
//
//	func TestMyStoreConforms(t *testing.T) {
//		leasetest.Conformance(t, func(t *testing.T) store.Store { return newMyStore(t) })
//	}
//
// # No clocks
//
// A store never compares its own clock with a candidate's. Either it keeps records
// until they are replaced, and a candidate that has seen the same [Record] for its
// whole TTL, on the candidate's own clock, may replace it; or the store itself
// removes a record that was not renewed for its TTL, counted from a moment after
// the renewal was sent, and says so in [Record].Expires.
package store
