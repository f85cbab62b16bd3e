package netns

import (
	"os/exec"
	"syscall"
)

// Separate makes a child a process group of its own, which Ctrl-C at the terminal does
// not reach, and makes the kernel kill it if this program is killed. With private, it
// also has its own network namespace.
func Separate(c *exec.Cmd, private bool) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if private {
		c.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
}
