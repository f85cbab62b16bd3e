// Package testkit is what the tests of several packages share: how long a test
// waits, and how it sees which server answers.
//
// # Why
//
// A test that waits too briefly fails on a busy machine, and one that waits without
// end hangs. One number, in one place, bounds every wait. Nothing here knows the
// library, so that the tests of any package may use it; package clientkit makes
// clients.
package testkit
