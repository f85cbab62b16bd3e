// Package doccheck has tests that compare the files in docs with the library, by
// tools that the library itself does not need: the exporter and the command of
// Prometheus.
//
// # Why
//
// What a module's tests import is in the go.mod of every program that imports the
// module. So these tests are in a module of their own.
package doccheck
