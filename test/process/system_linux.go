package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes put a process into a group of its own, so that Ctrl-C at a test leaves stopping it to us, and tie its life
// to ours, kill -9 included. A detached one outlives us in a session of its own.
func attributes(detached bool) *syscall.SysProcAttr {
	if detached {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// alive says whether the process has yet to end. One that only waits to be waited for has ended: its ports are free.
func alive(pid int) bool {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(content[bytes.LastIndexByte(content, ')')+1:]), " ") // a name may hold anything
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// commandLine returns the arguments of a process, separated by spaces; empty when there is none, or it has begun to end.
func commandLine(pid int) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(content), "\x00", " ")
}

// everybody is every process that there is.
func everybody() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
