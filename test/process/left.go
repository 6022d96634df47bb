package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What an earlier run left is found by pid files. One may be stale and its number somebody else's by now, so a process is
// ours only when its arguments name our directory.

// Living reads a pid file; 0 when there is none, or the process is gone or not ours.
func Living(dir, pidFile string) (int, error) {
	content, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("reading %s: %q is no pid", pidFile, content)
	}
	if !ours(dir, pid) {
		return 0, nil
	}
	return pid, nil
}

// End stops the process of a pid file, whoever started it, killing it after the grace, and removes the file. Nothing to
// stop is no error.
func End(dir, pidFile string, grace time.Duration) error {
	pid, err := Living(dir, pidFile)
	if err != nil {
		return err
	}
	if pid != 0 {
		if err := end(dir, pid, grace); err != nil {
			return err
		}
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Of lists the processes whose arguments name the directory.
func Of(dir string) ([]int, error) {
	all, err := everybody()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var found []int
	for _, pid := range all {
		if ours(dir, pid) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// ours says whether the process was started for this directory: each has a path below it in its arguments.
func ours(dir string, pid int) bool {
	return strings.Contains(commandLine(pid), dir+string(filepath.Separator))
}

// end signals by process group, which the process leads, and asks each time whether the number is still ours.
func end(dir string, pid int, grace time.Duration) error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !ours(dir, pid) {
			break // it has begun to end
		}
		if err := syscall.Kill(-pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signalling %d: %w", pid, err)
		}
		if ended(pid, grace) {
			return nil
		}
	}
	if !ended(pid, grace) {
		return fmt.Errorf("process %d is still there", pid)
	}
	return nil
}

func ended(pid int, within time.Duration) bool {
	for until := time.Now().Add(within); alive(pid); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}
