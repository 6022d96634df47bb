package gitlatch

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// processAttributes ties a replica's life to ours, kill -9 included, and leaves stopping it at Ctrl-C to us. A detached
// one outlives us in a session of its own.
func processAttributes(detached bool) *syscall.SysProcAttr {
	if detached {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// commandLine returns the arguments of a process, separated by spaces; empty when there is none.
func commandLine(pid int) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(content), "\x00", " ")
}
