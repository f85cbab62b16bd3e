// Package k8stest serves Lease objects as a Kubernetes API server does, for tests.
//
// # Why
//
// A lease in Kubernetes depends on how the API server refuses an update of an object
// that has changed meanwhile, and on its watches. A cluster is seldom at hand, so this
// package serves that part of the API over HTTP. It is a fake: it has one kind of
// object and one namespace, and knows no users. To compare it with the original,
// StartAPIServer runs a real kube-apiserver, where one was built.
package k8stest
