// Package fault collects the faults of a configuration.
//
// # Why
//
// Every check of a configuration returns errors of one type, configerr.Error, shows
// at most one line of an invalid value, prefixes it with the path of its keys, and
// continues with the next value, up to a bound. This package implements that once.
package fault
