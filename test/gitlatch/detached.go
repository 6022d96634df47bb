package gitlatch

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gitlatch/gitlatch/test/process"
)

// StopDir stops Gitlatch's processes of the cluster whose directory this is, whoever started them, by their pid files. A
// pid file may be stale and its number somebody else's by now, so a process is ours only when its arguments name the
// directory. Nothing to stop is no error.
func StopDir(dir string) error {
	dir, files, err := pidFiles(dir)
	if err != nil {
		return fmt.Errorf("stopping Gitlatch: %w", err)
	}
	var errs []error
	for _, file := range files {
		if err := process.End(dir, file, stopGrace); err != nil {
			errs = append(errs, fmt.Errorf("stopping Gitlatch: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Running says whether a process of Gitlatch's of the cluster whose directory this is runs.
func Running(dir string) bool {
	dir, files, err := pidFiles(dir)
	if err != nil {
		return false
	}
	for _, file := range files {
		if pid, err := process.Living(dir, file); err == nil && pid != 0 {
			return true
		}
	}
	return false
}

func pidFiles(dir string) (absolute string, files []string, err error) {
	if absolute, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	for _, pattern := range []string{webhook + "-*.pid", applier + ".pid", reporter + ".pid"} {
		found, err := filepath.Glob(filepath.Join(absolute, "run", pattern))
		if err != nil {
			return "", nil, err
		}
		files = append(files, found...)
	}
	return absolute, files, nil
}
