//go:build !race

package ledger

// raced says that the race detector is on, with which everything takes ten times as long.
const raced = false
