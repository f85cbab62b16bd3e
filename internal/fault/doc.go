// Package fault collects what is wrong with a configuration.
//
// # Why
//
// Every check of a configuration makes errors of one type, configerr.Error, shows of
// a bad value no more than fits a line, puts the path of keys before it, and goes on
// to the next value, up to a bound. How that is done is written once, here.
package fault
