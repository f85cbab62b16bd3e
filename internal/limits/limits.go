// Package limits holds the bounds of settings that more than one package checks.
//
// # Why
//
// A setting is checked where it is used and where it is read from a file, and both
// must name the same bound. Bounds of public types are exported next to the type,
// such as resolver.MaxWeight.
package limits

import (
	"strings"
	"time"
)

const (
	// MinDuration bounds all durations of settings from below. A shorter one is a
	// number whose unit was forgotten: it is nanoseconds.
	MinDuration = time.Millisecond
	// MinInterval bounds the intervals of probes from below.
	MinInterval = 10 * time.Millisecond
	// MaxClientName bounds Config.Name, in bytes.
	MaxClientName = 64
	// MaxAttempts bounds Config.MaxAttempts.
	MaxAttempts = 100
	// MinReresolve bounds Config.ReresolveInterval from below.
	MinReresolve = time.Second
	// MaxReresolve bounds it from above.
	MaxReresolve = 24 * time.Hour
	// MaxHealthService bounds the service name of gRPC health checks, in bytes.
	MaxHealthService = 512
	// MaxConsecutiveFailures bounds Ejection.ConsecutiveFailures.
	MaxConsecutiveFailures = 1_000_000
)

// IsPlainName reports whether a name consists of ASCII letters, digits, dots, dashes and
// underscores alone. An empty name does.
func IsPlainName(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}) < 0
}
