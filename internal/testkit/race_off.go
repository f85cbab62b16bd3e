//go:build !race

package testkit

// RaceDetector reports whether the tests run under the race detector, with which
// everything takes several times as long.
const RaceDetector = false
