// Package report defines the states, reasons, events and status of this module.
//
// # Why
//
// An operator who reads that an endpoint is unhealthy, and why, must find the same
// words in an error, a log line, a metric label, an event, the status page and the
// command. This package therefore defines each word, and each record made of words,
// once, and every other package of the module uses it: [EndpointState] and [Reason],
// the [Event] that reports a change, and the [Status] that reports the present state.
//
// Package cantonlb has aliases of the names that a program with a client needs most.
// Only this package has the constants of [Reason].
//
// # Defaults
//
// All states are words: the zero value of each word is empty and means that nothing
// is known. A Status and an Event are plain values that do not change later, so
// several goroutines may read them.
//
// Every record that has a String method prints as one line. Every record marshals to
// JSON: states are words, times are RFC 3339 in UTC, durations are seconds under a key
// that ends in "Seconds", and unknown values are omitted. Keys are only ever added.
// [Document] is the form that the status page serves.
//
// The package imports the standard library and grpc's connectivity only.
package report
