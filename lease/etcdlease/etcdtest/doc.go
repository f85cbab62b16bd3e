// Package etcdtest runs an etcd server for tests.
//
// # Why
//
// What a lease in etcd promises can only be seen with an etcd that is stopped and
// started again. This package starts the program that is installed, with its data in a
// temporary folder, and ends it with the test. It works on Unix.
package etcdtest
