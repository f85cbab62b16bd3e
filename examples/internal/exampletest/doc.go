// Package exampletest runs an example for its test, as a reader would.
//
// # Why
//
// The behaviour of an example is what its program prints and how it exits, so the
// tests check that, and not its functions. The program is the test's own binary, which
// is linked already: to build the example once more would take longer than its tests.
//
// # Defaults
//
// A program may take a minute; a test that waits longer fails.
package exampletest
