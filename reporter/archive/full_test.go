//go:build linux

package archive

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// TestAFullDisk: the kernel takes the first bytes of a write and refuses the rest. A
// limit of the process stands for the disk: the rest is the same system call.
func TestAFullDisk(t *testing.T) {
	path, head := archiveOf(t, 2)
	before := string(read(t, path))
	f := &File{Path: path}
	restore := limitFiles(t, uint64(len(before)+100))
	for range 3 {
		_, err := f.Append(t.Context(), head, noon(), deniedFrom(3, 5))
		if err == nil || !strings.HasPrefix(err.Error(), "archiving to "+path+": ") {
			t.Errorf("Append() = %v", err)
		}
		if after := string(read(t, path)); after != before {
			t.Fatalf("the file holds %d bytes more", len(after)-len(before))
		}
	}
	restore()
	done, err := f.Append(t.Context(), head, noon(), deniedFrom(3, 5))
	must(t, err)
	if want := (Appended{Head: done.Head, Written: 3}); done != want {
		t.Errorf("Append() = %+v, want %+v", done, want)
	}
	intact(t, path, done.Head, 5)
}

// limitFiles keeps this process from writing more than so many bytes to a file.
func limitFiles(t *testing.T, size uint64) (restore func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	limited := before
	limited.Cur = size
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited))
	restored := false
	restore = func() {
		if !restored {
			must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
			signal.Reset(syscall.SIGXFSZ)
			restored = true
		}
	}
	t.Cleanup(restore)
	return restore
}
