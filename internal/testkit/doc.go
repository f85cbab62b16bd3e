// Package testkit holds what the tests of several packages share: how long a test
// waits, how often it repeats something, and how it sees which server answers.
//
// # Why
//
// A test that waits too briefly fails on a busy machine, and one that waits without
// a bound hangs. One number, in one place, bounds every wait. This package does not
// import the library, so that the tests of any package can use it; package
// clientkit makes clients.
package testkit
