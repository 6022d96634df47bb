package cluster

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gitlatch/gitlatch/test/process"
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
		if err := process.End(dir, pidFile(dir, server), stopGrace); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s of %s: %w", server, dir, err))
		}
	}
	return errors.Join(errs...)
}

func pidFile(dir string, server Server) string {
	return filepath.Join(dir, "run", string(server)+".pid")
}
