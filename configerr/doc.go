// Package configerr defines the error type of every bad value of a configuration.
//
// # Why
//
// Settings come from Go, from a config file, from the JSON of a load-balancing
// policy and from a target, and are checked in several packages. A program that shows
// faults, or tests its settings, needs one type for all of them, and needs every fault
// at once: if a list is repaired one restart at a time, the outage lasts longer.
//
// An [Error] is about one value. A function that finds several joins them, as
// errors.Join does, so that errors.As finds the first and [All] returns each. At most
// twenty are kept; the text of the joined error states how many more there are.
//
// # Defaults
//
// There are none.
package configerr
