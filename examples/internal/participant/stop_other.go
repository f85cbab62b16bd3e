//go:build !unix

package participant

import "github.com/cantonlb/cantonlb/examples/internal/child"

// CanStop reports whether a process can be stopped on this system.
const CanStop = false

func stopProcess(*child.Process) error   { return nil }
func resumeProcess(*child.Process) error { return nil }
