package gitlatch

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

// StopDir stops the webhooks of the cluster whose directory this is, whoever started them, by their pid files. A pid
// file may be stale and its number somebody else's by now, so a process is ours only when its arguments name the
// directory. Nothing to stop is no error.
func StopDir(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("stopping Gitlatch: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "run", "webhook-*.pid"))
	if err != nil {
		return fmt.Errorf("stopping Gitlatch: %w", err)
	}
	var errs []error
	for _, file := range files {
		if err := end(dir, file); err != nil {
			errs = append(errs, fmt.Errorf("stopping Gitlatch: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Running says whether a webhook of the cluster whose directory this is runs.
func Running(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	files, _ := filepath.Glob(filepath.Join(dir, "run", "webhook-*.pid")) // the pattern is a good one
	for _, file := range files {
		if pid, err := readPid(file); err == nil && ours(dir, pid) {
			return true
		}
	}
	return false
}

func end(dir, file string) error {
	pid, err := readPid(file)
	if err != nil {
		return err
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !ours(dir, pid) {
			break
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signalling %d: %w", pid, err)
		}
		for until := time.Now().Add(stopGrace); ours(dir, pid) && time.Now().Before(until); {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if ours(dir, pid) {
		return fmt.Errorf("process %d is still there", pid)
	}
	return os.Remove(file)
}

func readPid(file string) (int, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("reading %s: %q is no pid", file, content)
	}
	return pid, nil
}

func ours(dir string, pid int) bool {
	return strings.Contains(commandLine(pid), dir+string(filepath.Separator))
}
