// Package report holds the words in which this module tells what it knows.
//
// # Why
//
// An operator who reads that an endpoint is unhealthy, and why, must find the same
// words in an error, a log line, a metric label, an event, the status page and the
// command. So each word, and each record made of words, is defined here once, and
// every other package of the module uses it: [EndpointState] and [Reason], the
// [Event] that tells of a change, and the [Status] that tells what is.
//
// A program that works with a client finds the names that it needs most in package
// cantonlb too, as aliases. The constants of [Reason] are here alone.
//
// # Defaults
//
// All states are words: the zero value of each word is empty and means that nothing
// is known. A Status and an Event are plain values that nothing changes later, so
// they may be read by several goroutines.
//
// Every record prints as one line by its String method, where it has one, and
// marshals to JSON: states are words, times are RFC 3339 in UTC, durations are
// seconds under a key that ends in "Seconds", and what is not known is left out.
// Keys are only ever added. [Document] is the form that the status page serves.
//
// The package imports the standard library and grpc's connectivity only.
package report
