package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dieWithParent has the program killed when the thread that has started it ends.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER, see prctl(2).
const prSetChildSubreaper = 36

// adoptOrphans has processes whose parents have ended become children of this one.
func adoptOrphans() {
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	_ = errno // without it, what leaves its group by setsid escapes
}

// killAdopted kills and reaps all children, and reports whether there was any.
func killAdopted() bool {
	found := false
	for _, pid := range children("self") {
		found = true
		_ = syscall.Kill(pid, syscall.SIGKILL)
		var status syscall.WaitStatus
		_, _ = syscall.Wait4(pid, &status, 0, nil) // it was killed
	}
	return found
}

// onlyZombies reports whether all that is left of a process group are processes that have
// ended and were not reaped.
func onlyZombies(group int) bool {
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, folder := range folders {
		pid, err := strconv.Atoi(folder.Name())
		if err != nil {
			continue
		}
		if of, ended := stat(pid); of == group && !ended {
			return false
		}
	}
	return true
}

// stat returns the group of a process, 0 if there is no such process, and whether it has ended.
func stat(pid int) (group int, ended bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, true
	}
	// "PID (NAME) STATE PARENT GROUP ...", where the name may have anything in it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 3 {
		return 0, true
	}
	group, _ = strconv.Atoi(fields[2])
	return group, fields[0] == "Z" || fields[0] == "X"
}

// killBelow kills whatever a guard has started and adopted, and waits until all of that has
// ended, up to goneLimit: a process that the kernel keeps in a system call does not end. The
// guard is stopped, or slow. When it is gone, what has left the program's group is no longer
// to be found.
func killBelow(guard int) {
	limit := time.Now().Add(goneLimit)
	// A process that moves up because its parent ends may be missed once.
	for quiet := 0; quiet < 2 && time.Now().Before(limit); quiet++ {
		for _, pid := range below(guard) {
			if _, ended := stat(pid); !ended {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				quiet = -1
			}
		}
		if quiet < 0 {
			time.Sleep(look / 10) //nolint:forbidigo // no event says it
		}
	}
}

// below returns the children of a process, and theirs.
func below(pid int) (pids []int) {
	for _, child := range children(strconv.Itoa(pid)) {
		pids = append(append(pids, child), below(child)...)
	}
	return pids
}

// children returns the children of a process, the threads of which have them.
func children(of string) (pids []int) {
	threads, err := os.ReadDir("/proc/" + of + "/task")
	if err != nil {
		return nil
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", of, thread.Name()))
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
