package cluster

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

// StopDir stops the cluster whose directory this is, whoever started it, by the pid files in it. A pid file may be
// stale and its number somebody else's by now, so a process is ours only when its arguments name the directory.
// The directory itself stays. Nothing to stop is no error.
func StopDir(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("stopping the cluster: %w", err)
	}
	var errs []error
	for _, server := range []Server{ControllerManager, APIServer, Etcd} {
		file := filepath.Join(dir, "run", string(server)+".pid")
		pid, err := livingPid(dir, file)
		if err == nil && pid != 0 {
			err = endPid(dir, pid)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("stopping %s of %s: %w", server, dir, err))
			continue
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// livingPid reads a pid file; 0 when there is none or the process is gone or not ours.
func livingPid(dir, file string) (int, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("reading %s: %q is no pid", file, content)
	}
	if !ours(dir, pid) {
		return 0, nil
	}
	return pid, nil
}

// ours says whether the process was started for this directory: each server has a path below it in its arguments.
func ours(dir string, pid int) bool {
	return strings.Contains(commandLine(pid), dir+string(filepath.Separator))
}

// endPid signals by process group, which the server leads, and asks each time whether the number is still ours.
func endPid(dir string, pid int) error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !ours(dir, pid) {
			break // it has begun to end
		}
		if err := syscall.Kill(-pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		if ended(pid) {
			return nil
		}
	}
	if !ended(pid) {
		return fmt.Errorf("process %d is still there", pid)
	}
	return nil
}

// ended waits for the process to be gone, for as long as a server may take.
func ended(pid int) bool {
	for end := time.Now().Add(stopGrace); alive(pid); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
