// Package history remembers what an endpoint was like in the last 15 minutes, in
// little room.
//
// # Why
//
// A status is of now. Whether a latency is high, or an endpoint was gone a minute
// ago, is seen beside what was before. The status page and the command both show
// that.
//
// # Defaults
//
// A window of 15 minutes: of states the newest 64, of round trips the longest in
// each of 60 buckets, and of calls the rate over the last 5 to 10 seconds. It holds no
// clock: the time comes in with what is added. About 1 KiB for each endpoint, and
// 3 KiB more for one that flaps.
package history
