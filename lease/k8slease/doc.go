// Package k8slease keeps leases in a Kubernetes cluster, for package lease.
//
// # Why
//
// Kubernetes has objects for leases, and client-go a leader election on top of them,
// which says of itself that it does not fence. This store uses the same objects by the
// rules of package lease, and has a token for each holder:
//
//	config, err := rest.InClusterConfig()
//	client, err := coordinationv1.NewForConfig(config)
//	store, err := k8slease.New(k8slease.Config{Leases: client.Leases("payments")})
//	err = lease.Run(ctx, lease.Config{Store: store, Name: "pink"}, work)
//
// The program's service account needs the verbs get, create, update and watch for
// leases of the group coordination.k8s.io.
//
// # How
//
// The lease with the name N is the object N of kind Lease; a name that no object may
// have is replaced by its checksum. The token is kept in the annotation [TokenKey], and
// is one more with each holder. Every write is an update that the API server refuses if
// the object is another one by then. A candidate takes over when it has seen the same
// specification, token and [SequenceKey], which each write counts up, for the holder's
// TTL, on its own clock. Labels and annotations of others do not count, as in client-go's
// leader election: a takeover does not wait for them, and leaves them as they are.
// Giving a lease up clears holderIdentity.
//
// # Limits
//
// leaseDurationSeconds counts whole seconds: a TTL is rounded up for others. Deleting the
// object resets the token to 1: a candidate that has seen a greater one does not use it
// (lease.EventRefused) until it has grown past that. Nothing in a cluster checks a
// token: the receiver of a write has to.
//
// The client sends no more than rest.Config.QPS requests in a second, 5 by default, for all
// leases together; what exceeds that waits, and a renewal that waits too long is a lost
// lease. A holder sends two requests in each RenewEvery, and a candidate about four. So
// set QPS to 2 for each lease of a process if there are several, or to -1 for no limit.
//
// The store is tested with a fake API server and with a real kube-apiserver, v1.37.2, on
// etcd. No cluster was used.
package k8slease
