// Package clientkit makes clients of the servers of package lbtest, for tests.
//
// # Why
//
// The tests of every package that stands on the front door begin alike: with a
// cluster, a client of it that closes with the test, and a wait until its status
// shows what the test is about.
package clientkit
