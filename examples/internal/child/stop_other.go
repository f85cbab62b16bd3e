//go:build !unix

package child

// CanStop reports whether a process can be stopped on this system.
const CanStop = false

// Stop does nothing on this system.
func (*Process) Stop() error { return nil }

// Resume does nothing on this system.
func (*Process) Resume() error { return nil }
