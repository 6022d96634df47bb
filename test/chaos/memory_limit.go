package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// cell is a folder with a webhook in it that a replica runs under a limit of its address space, when there is one: the
// shell's `ulimit -v` is there wherever there is a shell, and a control group is not.
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
	// The first argument names the replica's kubeconfig, and so the replica.
	script := fmt.Sprintf(`#!/bin/sh
limit=%q/limit-${1##*/}
if [ -f "$limit" ]; then ulimit -v "$(cat "$limit")"; fi
exec %q "$@"
`, dir, binary)
	return &cell{dir}, os.WriteFile(filepath.Join(dir, "limited"), []byte(script), 0o700)
}

func (c *cell) program() string { return filepath.Join(c.dir, "limited") }

func (c *cell) remove() { _ = os.RemoveAll(c.dir) }

// lock restarts a replica with so many bytes more than it has while it rests, and no more.
func (c *cell) lock(ctx context.Context, w *world, replica int, more float64) error {
	has, err := figures.Virtual(w.gate.PID(replica))
	if err != nil {
		return err
	}
	limit := fmt.Appendf(nil, "%d", int64(has+more)>>10)
	if err := os.WriteFile(filepath.Join(c.dir, fmt.Sprintf("limit-webhook-%d", replica)), limit, 0o600); err != nil {
		return err
	}
	w.gate.Terminate(replica)
	return w.gate.Start(ctx, replica)
}
