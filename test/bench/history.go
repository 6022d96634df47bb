package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

const historyPeak = 200 << 20

// history runs the test of package git that clones, walks and reads a history of 10,000 commits and 5,000 files in a
// process of its own, over https and from a folder, and takes its figures.
func history(ctx context.Context, progress io.Writer) ([]Table, error) {
	const test = "TestALongHistoryIsSmallInMemory"
	root, err := gitlatch.Root(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "running %s of ./applier/git\n", test)
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^"+test+"$", "./applier/git")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running %s of ./applier/git: %w\n%s", test, err, out)
	}
	laps := parseLaps(string(out))
	if len(laps) == 0 {
		return nil, fmt.Errorf("running %s of ./applier/git: it says no figures\n%s", test, out)
	}
	t := Table{
		Title:   "A history of 10,000 commits and 5,000 files: cloned, walked and kept, by a process of its own",
		Note:    "peak: the most that the process had until then, by the kernel (VmHWM). First over https, then from a folder.",
		Columns: []string{"time", "peak resident"},
	}
	for _, l := range laps {
		if l.name == "start" {
			continue
		}
		t.Rows = append(t.Rows, Row{
			Name: l.name, Values: []Value{nanoseconds(l.took), {l.peak, unitBytes}},
			Target: fmt.Sprintf("< %d MiB", historyPeak>>20), Missed: l.peak >= historyPeak,
		})
	}
	return []Table{t}, nil
}

// lap is one line that the test logs.
type lap struct {
	name string
	took time.Duration
	peak float64
}

var lapLine = regexp.MustCompile(`^\S+\.go:\d+: (.+): (\S+), (\d+) MiB at the peak$`)

func parseLaps(out string) []lap {
	var laps []lap
	for line := range strings.Lines(out) {
		match := lapLine.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			continue
		}
		took, err := time.ParseDuration(match[2])
		mib, err2 := strconv.ParseFloat(match[3], 64)
		if err == nil && err2 == nil {
			laps = append(laps, lap{match[1], took, mib * (1 << 20)})
		}
	}
	return laps
}
