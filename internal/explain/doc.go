// Package explain says in words why no endpoint may be picked, and why a connection could
// not be made.
//
// # Why
//
// A call that is refused has to say which endpoints there are and what is wrong with each,
// in one line of bounded length, whatever a resolver or a server calls itself. The words
// are the same in errors, events and status.
package explain
