package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// cell is a folder with a webhook in it, before whose start a replica does what [cell.before] says. So it can have a limit
// of its address space: the shell's `ulimit -v` is there wherever there is a shell, and a control group is not.
type cell struct{ dir string }

// newCell makes one of this webhook; empty: it is built.
func newCell(ctx context.Context, binary string) (*cell, error) {
	dir, err := os.MkdirTemp("", "gitlatch-chaos-")
	if err != nil {
		return nil, err
	}
	if binary == "" {
		if err := gitlatch.Build(ctx, dir, "webhook"); err != nil {
			return nil, err
		}
		binary = filepath.Join(dir, "webhook")
	}
	return &cell{dir}, furnishCell(dir, binary)
}

// newClockedCell makes one of a webhook whose clock can be wrong.
func newClockedCell(ctx context.Context) (*cell, error) {
	dir, err := os.MkdirTemp("", "gitlatch-chaos-")
	if err != nil {
		return nil, err
	}
	binary, err := buildClocked(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &cell{dir}, furnishCell(dir, binary)
}

// furnishCell writes the program. The first argument names the replica's kubeconfig, and so the replica.
func furnishCell(dir, binary string) error {
	script := fmt.Sprintf(`#!/bin/sh
before=%q/before-${1##*/}
if [ -f "$before" ]; then . "$before"; fi
exec %q "$@"
`, dir, binary)
	return os.WriteFile(filepath.Join(dir, "program"), []byte(script), 0o700)
}

func (c *cell) program() string { return filepath.Join(c.dir, "program") }

// before has the shell do this before each start of a replica, from the next one on.
func (c *cell) before(replica int, do string) error {
	return os.WriteFile(filepath.Join(c.dir, fmt.Sprintf("before-webhook-%d", replica)), []byte(do+"\n"), 0o600)
}

func (c *cell) remove() { _ = os.RemoveAll(c.dir) }

// lock restarts a replica with so many bytes more than it has while it rests, and no more.
func (c *cell) lock(ctx context.Context, w *world, replica int, more float64) error {
	has, err := figures.Virtual(w.gate.PID(replica))
	if err != nil {
		return err
	}
	if err := c.before(replica, fmt.Sprintf("ulimit -v %d", int64(has+more)>>10)); err != nil {
		return err
	}
	w.gate.Terminate(replica)
	return w.gate.Start(ctx, replica)
}
