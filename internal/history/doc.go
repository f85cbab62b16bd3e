// Package history keeps a compact record of an endpoint's last 15 minutes.
//
// # Why
//
// A status is a snapshot. Whether a latency is unusually high, or an endpoint was
// gone a minute ago, can only be seen in comparison with earlier values. The status
// page and the command both show them.
//
// # Defaults
//
// The window is 15 minutes. Within it are kept the newest 64 states, the longest
// round trip in each of 60 buckets, and the rate of calls over the last 5 to 10
// seconds. The package has no clock: the time is an argument. It needs about 1 KiB
// for each endpoint, and 3 KiB more for one that flaps.
package history
