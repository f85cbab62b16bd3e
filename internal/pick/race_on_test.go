//go:build race

package pick

// raceDetector reports whether the tests run under the race detector.
const raceDetector = true
