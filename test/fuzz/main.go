// Command fuzz runs every fuzz target of the module for a while, two at a time: a fuzzing process of Go's uses one
// processor well and a second one poorly. Each package is compiled once, not once a target. What a target finds is
// written to its testdata, as `go test -fuzz` does, and ends the command with an error.
//
// It may import the standard library, and nothing of Gitlatch.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run() error {
	each := flag.Duration("time", time.Minute, "how long each target runs")
	within := flag.Duration("within", 0, "how long all of it may take; each target runs for less than -time where that is needed; 0: as long as it takes")
	jobs := flag.Int("jobs", runtime.NumCPU(), "how many targets run at once")
	only := flag.String("only", "", "run the targets whose name contains this")
	keep := flag.Int("keep", 0, "how many files each target's testdata should have in the end, taken from what was found interesting")
	flag.Parse()
	began := time.Now()
	if flag.NArg() > 0 || *each <= 0 || *within < 0 || *jobs < 1 || *keep < 0 {
		return errors.New("usage: fuzz [-time 1m] [-within 35m] [-jobs 2] [-only NAME] [-keep 8]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "gitlatch-fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cache, err := output(ctx, ".", "go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	targets, err := find(ctx, dir, strings.TrimSpace(cache), *only)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("there is no target")
	}
	left := *within
	if left > 0 {
		left = max(time.Second, left-time.Since(began)) // compiling has taken its part
	}
	share := share(*each, left, *jobs, len(targets))
	fmt.Printf("%d targets, %s each, %d at a time: about %s\n", len(targets), share, *jobs, total(share, *jobs, len(targets)))
	if err := all(ctx, targets, share, *jobs); err != nil {
		return err
	}
	for _, t := range targets {
		if err := t.keep(*keep); err != nil {
			return fmt.Errorf("keeping the corpus of %s %s: %w", t.pkg, t.name, err)
		}
	}
	return nil
}

// share is how long each target may run.
func share(each, within time.Duration, jobs, targets int) time.Duration {
	if within == 0 || total(each, jobs, targets) <= within {
		return each
	}
	rounds := (targets + jobs - 1) / jobs
	return max(time.Second, (within / time.Duration(rounds)).Truncate(time.Second))
}

// total is how long that takes.
func total(share time.Duration, jobs, targets int) time.Duration {
	return time.Duration((targets+jobs-1)/jobs) * share
}

// all runs the targets, and goes on after one that fails: the next may find something else.
func all(ctx context.Context, targets []target, share time.Duration, jobs int) error {
	var (
		queue   = make(chan target)
		mu      sync.Mutex
		failed  []error
		workers sync.WaitGroup
	)
	for range jobs {
		workers.Go(func() {
			for t := range queue {
				said, err := t.fuzz(ctx, share)
				mu.Lock()
				fmt.Println(t.pkg, t.name, last(said))
				if err != nil && ctx.Err() == nil {
					fmt.Println(said)
					failed = append(failed, fmt.Errorf("%s %s: %w", t.pkg, t.name, err))
				}
				mu.Unlock()
			}
		})
	}
	for _, t := range targets {
		if ctx.Err() == nil {
			queue <- t
		}
	}
	close(queue)
	workers.Wait()
	return errors.Join(append(failed, ctx.Err())...)
}

// target is one fuzz target, compiled.
type target struct {
	pkg, name, dir, binary, corpus string
}

// minimize is how often it is tried to make an interesting input smaller. Go's default is a minute, which for a target of large
// inputs is the whole of its time: of a minute nothing but the first dozens of executions would be fuzzing.
const minimize = "10x"

// fuzz runs one target in its package's directory, with one worker, and returns what it wrote.
func (t target) fuzz(ctx context.Context, share time.Duration) (string, error) {
	said, err := output(ctx, t.dir, t.binary, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.fuzztime="+share.String(), "-test.fuzzminimizetime="+minimize,
		"-test.fuzzcachedir="+t.corpus, "-test.parallel=1", "-test.timeout=0")
	if err != nil && ctx.Err() == nil && onlyLate(said) {
		err = nil
	}
	return said, err
}

// onlyLate: all that is wrong is that the time was over while an input was tried, which Go sometimes takes for a failure.
// Of a real one the input is written to a file.
func onlyLate(said string) bool {
	return strings.Contains(said, "\n    context deadline exceeded\n") && !strings.Contains(said, "Failing input written to") && !strings.Contains(said, "panic:")
}

// output runs a program, and ends it and its children, the fuzzing workers, when ctx ends.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("running %s: %w", filepath.Base(name), err)
	}
	return string(out), nil
}

// last is the last line that tells of progress.
func last(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "fuzz: elapsed") {
			return strings.TrimPrefix(lines[i], "fuzz: ")
		}
	}
	return ""
}
