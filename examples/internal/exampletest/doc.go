// Package exampletest builds and runs an example for its test, as a reader would.
//
// # Why
//
// What an example promises is what its program prints and how it exits, so that
// is what is tested, and not its functions.
//
// # Defaults
//
// A build may take five minutes and a program one; a test that waits longer
// fails.
package exampletest
