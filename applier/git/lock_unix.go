//go:build unix

package git

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// lock waits until no other process changes a repository. The kernel lets go of it when its holder is killed.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && same(f, path) {
			return func() { _ = f.Close() }, nil
		}
		if err == nil { // its holder has removed it with the repository
			_ = f.Close() // lets go of it
			return lock(ctx, path)
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// same says whether a file is still what its name stands for.
func same(f *os.File, path string) bool {
	mine, err := f.Stat()
	named, err2 := os.Stat(path)
	return err == nil && err2 == nil && os.SameFile(mine, named)
}
