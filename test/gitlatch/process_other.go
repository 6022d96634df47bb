//go:build !linux

package gitlatch

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes leaves stopping a replica at Ctrl-C to us. Only Linux can also end it when we are killed.
func processAttributes(detached bool) *syscall.SysProcAttr {
	if detached {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true}
}

// commandLine returns the arguments of a process, separated by spaces; empty when there is none.
func commandLine(pid int) string {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
