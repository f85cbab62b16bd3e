package faults

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// hang stops a process with its connections open; goOn ends that.
func hang(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func goOn(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// sleepUntil is more exact than a timer, whose resolution is about a millisecond:
// with timers, they would dominate the latencies.
func sleepUntil(at time.Time) {
	for {
		left := time.Until(at)
		if left <= 0 {
			return
		}
		request := syscall.NsecToTimespec(int64(left))
		if err := syscall.Nanosleep(&request, nil); err != nil && err != syscall.EINTR {
			time.Sleep(left)
		}
	}
}

// cpuTime returns the processor time that this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// machineTime returns the processor time of the machine since it started, and how
// much of it was idle, both in the kernel's ticks. Both are 0 if they cannot be
// read.
func machineTime() (all, idle float64) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	return parseMachineTime(string(text))
}

// machine describes this machine's processor, memory and kernel.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	var info syscall.Sysinfo_t
	memory := 0.0
	if syscall.Sysinfo(&info) == nil {
		memory = float64(info.Totalram) * float64(info.Unit) / (1 << 30)
	}
	return fmt.Sprintf("%s, %.0f GiB of memory, Linux %s", model, memory, bytes.TrimSpace(kernel))
}
