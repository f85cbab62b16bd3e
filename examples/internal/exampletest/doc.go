// Package exampletest builds and runs an example for its test, as a reader would.
//
// # Why
//
// The behaviour of an example is what its program prints and how it exits, so the
// tests check that, and not its functions.
//
// # Defaults
//
// A build may take five minutes and a program one; a test that waits longer
// fails.
package exampletest
