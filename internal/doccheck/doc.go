// Package doccheck contains tests that compare the files in docs with the library.
// They use tools that the library itself does not need: the exporter and the
// command of Prometheus.
//
// # Why
//
// The imports of a module's tests appear in the go.mod of every program that
// imports the module. These tests are therefore in a module of their own.
package doccheck
