//go:build unix

package archive

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps a second process out, for as long as the file is open. The kernel lets
// go of it when the process ends, however it ends.
func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errors.New("another process writes to it")
	}
	return err
}
