// Package view formats a client's status and events for people and for programs.
//
// # Why
//
// The status page and the command show the same information. They must use the same
// words for operators and the same keys for programs.
//
// # Defaults
//
// Ages are rounded for readers, and "-" stands for an unknown value. JSON has times
// in RFC 3339 and durations in seconds, and omits unknown values. All functions are
// pure and safe for concurrent use.
package view
