package report

import "time"

// FileStatus is the state of the config file that a client follows.
type FileStatus struct {
	Path string
	// LoadedAt is when the content in force was read.
	LoadedAt time.Time
	// Reloads counts the contents that were put in force since the start, Failures
	// those that were refused.
	Reloads, Failures uint64
	// Error is why the newest content is not in force, and FailedAt when that was
	// found; empty and zero if it is in force.
	Error    string
	FailedAt time.Time
	// Pending are the keys that have changed since the start and take effect at the
	// next one, such as "healthCheck", sorted.
	Pending []string
}
