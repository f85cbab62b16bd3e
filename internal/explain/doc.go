// Package explain describes why no endpoint may be picked, why a connection could not be
// made, and what is not as one might expect of a client that works.
//
// # Why
//
// The error of a refused call must list the endpoints and what is wrong with each, in
// one line of bounded length, whatever names a resolver or a server uses. The text is
// the same in errors, events and status.
package explain
