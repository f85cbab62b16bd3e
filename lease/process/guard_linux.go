package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
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
	for _, pid := range children() {
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
		if _, err := strconv.Atoi(folder.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + folder.Name() + "/stat")
		if err != nil {
			continue // it has gone
		}
		// "PID (NAME) STATE PARENT GROUP ...", where the name may have anything in it.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			return false
		}
	}
	return true
}

// children returns the children of this process, the threads of which have them.
func children() (pids []int) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%s/children", thread.Name()))
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
