// Package clientname notices that two open clients of a program have the same name.
//
// # Why
//
// The name of a client distinguishes its metrics and log lines from those of other
// clients. Two clients with the same name share their series of metrics, which then are
// those of neither, and their log lines cannot be told apart. A program that names none of
// its clients may not notice this, so it is logged.
//
// # Defaults
//
// Only the second client with a name is logged: later ones need no further warning. A
// client without a logger writes to slog.Default(). All functions are safe for concurrent
// use.
package clientname
