//go:build !linux

package process

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attributes put a process into a group of its own, so that Ctrl-C at a test leaves stopping it to us. Only Linux can
// also end it when we are killed; elsewhere [End] clears up what a kill -9 leaves.
func attributes(detached bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: detached, Setpgid: !detached}
}

// alive says whether the process has yet to end.
func alive(pid int) bool {
	state, err := ps("-o", "state=", "-p", strconv.Itoa(pid))
	return err == nil && !strings.HasPrefix(state, "Z")
}

// commandLine returns the arguments of a process, separated by spaces; empty when there is none.
func commandLine(pid int) string {
	line, err := ps("-ww", "-o", "command=", "-p", strconv.Itoa(pid))
	if err != nil {
		return ""
	}
	return line
}

// everybody is every process that there is.
func everybody() ([]int, error) {
	list, err := ps("-A", "-o", "pid=")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, field := range strings.Fields(list) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func ps(args ...string) (string, error) {
	out, err := exec.Command("ps", args...).Output()
	return strings.TrimSpace(string(out)), err
}
