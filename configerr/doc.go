// Package configerr has the error that every bad value of a configuration is.
//
// # Why
//
// Settings come from Go, from a config file, from the JSON of a load-balancing
// policy and from a target, and are checked in several packages. A program that
// shows what is wrong, or tests its settings, wants one type for all of them, and
// every fault at once: a list that is mended one restart at a time is an outage that
// lasts.
//
// An [Error] is about one value. A function that finds several joins them, as
// errors.Join does, so that errors.As finds the first; [All] returns each. At most
// twenty are kept; the text of the joined error says how many more there are.
//
// # Defaults
//
// None.
package configerr
