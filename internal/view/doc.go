// Package view says what a client's status and events look like to people and to
// programs.
//
// # Why
//
// The status page and the command show the same things. An operator who has read
// one must find the same words, and a program the same keys, in the other.
//
// # Defaults
//
// Ages are rounded as a person would say them, and "-" stands for what is not
// known. JSON has times in RFC 3339 and durations in seconds, and leaves out what
// is not known. All functions are pure and safe for concurrent use.
package view
