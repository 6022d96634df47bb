package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// Targets of the applier.
const (
	syncRate     = 300  // objects a second, or
	syncShare    = 0.80 // of what a bare client reaches
	driftTarget  = time.Second
	carrierPeak  = 150 << 20
	unchangedFor = 10 * time.Second
)

// carrying is one run of the applier's measurements.
type carrying struct {
	*carrier
	dir      string
	progress io.Writer
	tables   []Table
	peaks    []Row
}

// carry measures the applier on one control plane, from an empty one to another.
func carry(ctx context.Context, progress io.Writer) ([]Table, error) {
	dir, err := os.MkdirTemp("", "gitlatch-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(progress, "building the applier, and a repository")
	if err := gitlatch.Build(ctx, dir, "webhook", "applier"); err != nil {
		return nil, err
	}
	repo, err := ops(dir)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(progress, "starting a control plane with Gitlatch")
	c, err := newCarrier(ctx, dir, repo, progress)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	if err := c.install(ctx, dir); err != nil {
		return nil, err
	}
	y := &carrying{carrier: c, dir: dir, progress: progress}
	for _, part := range []func(context.Context) error{y.first, y.again, y.drifting, y.recreate} {
		if err := part(ctx); err != nil {
			return y.tables, err
		}
	}
	return append(y.tables, Table{
		Title: "The applier's process with 5,000 objects", Columns: []string{"peak resident"}, Rows: y.peaks,
		Note: "A process of its own each: peaks are the kernel's (VmHWM).",
	}), nil
}

// ops makes a repository with a folder of 1,000 objects and one of 5,000.
func ops(dir string) (*gitserver.Repo, error) {
	repo, err := gitserver.NewRepo(filepath.Join(dir, "ops"))
	if err != nil {
		return nil, err
	}
	for name, n := range folders() {
		for _, d := range declarations(name, n) {
			if err := repo.Write(name+"/"+d.file, d.text); err != nil {
				return nil, err
			}
		}
	}
	if _, err := repo.Commit("all that there is"); err != nil {
		return nil, err
	}
	return repo, repo.Push()
}

func folders() map[string]int { return map[string]int{"one": 1000, "five": 5000} }

// first measures first syncs against a bare client, by turns. Each sync has a process of its own.
func (y *carrying) first(ctx context.Context) error {
	t := Table{
		Title: fmt.Sprintf("First sync, and a bare client-go client that applies the same objects, %d at once each", workers),
		Note: "sync: from the GitSync to its being Ready: fetch, render, apply, status. Of ten objects six are ConfigMaps, two PodTemplates, a Role and a NetworkPolicy.\n" +
			"ratio: of the rates.",
		Columns: []string{"sync", "objects/s", "bare client", "objects/s", "ratio", "CPU"},
	}
	for _, name := range []string{"one", "five"} {
		row, err := y.compare(ctx, name, folders()[name])
		if err != nil {
			return err
		}
		t.Rows = append(t.Rows, row)
		if name == "one" {
			if err := y.leave(ctx, name); err != nil {
				return err
			}
		}
	}
	y.tables = append(y.tables, t)
	return y.peak("first sync")
}

// compare syncs a folder, and applies the same by a bare client.
func (y *carrying) compare(ctx context.Context, name string, n int) (Row, error) {
	var took, bare, used time.Duration
	sync := func() error {
		fmt.Fprintf(y.progress, "syncing %d objects\n", n)
		m, err := y.during(func() error {
			var err error
			took, err = y.follow(ctx, name)
			return err
		})
		used = m.cpu
		return err
	}
	apply := func() error {
		fmt.Fprintf(y.progress, "applying %d objects by a bare client\n", n)
		var err error
		bare, err = y.applyBare(ctx, declarations("bare-"+name, n))
		return err
	}
	turns := []func() error{sync, apply}
	if name == "one" {
		slices.Reverse(turns)
	}
	for _, turn := range turns {
		if err := turn(); err != nil {
			return Row{}, err
		}
	}
	return firstRow(n, took, bare, used), nil
}

func firstRow(n int, took, bare, cpu time.Duration) Row {
	rate, most := float64(n)/took.Seconds(), float64(n)/bare.Seconds()
	return Row{
		Name:   fmt.Sprintf("%d objects", n),
		Values: []Value{nanoseconds(took), {rate, ""}, nanoseconds(bare), {most, ""}, {rate / most, unitRatio}, nanoseconds(cpu)},
		Target: fmt.Sprintf(">= %d objects/s, or within 20%% of the bare client", syncRate),
		Missed: rate < syncRate && rate < syncShare*most,
	}
}

// leave deletes a sync with all that it applied, and starts a new process.
func (y *carrying) leave(ctx context.Context, name string) error {
	_, stderr, code := y.plane.Kubectl(ctx, "admin", "", "delete", "gitsync", name, "-n", gitlatch.Namespace, "--timeout=120s")
	if code != 0 {
		return fmt.Errorf("deleting GitSync %s: %s", name, stderr)
	}
	return y.restart(ctx)
}

func (y *carrying) restart(ctx context.Context) error {
	y.gate.Applier().Terminate()
	return y.gate.Applier().Start(ctx)
}

// peak notes what the process took at its most, so far.
func (y *carrying) peak(what string) error {
	bytes, err := figures.Peak(y.gate.Applier().PID())
	y.peaks = append(y.peaks, Row{
		Name: what, Values: []Value{{bytes, unitBytes}}, Target: fmt.Sprintf("< %d MiB", carrierPeak>>20), Missed: bytes >= carrierPeak,
	})
	return err
}
