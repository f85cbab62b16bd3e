//go:build !linux

package netns

import "os/exec"

// Separate does nothing on this system.
func Separate(*exec.Cmd, bool) {}
