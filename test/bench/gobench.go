package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// result is one line of a Go benchmark: its name without the function's, and its figures by unit.
type result struct {
	name    string
	figures map[string]float64
}

var benchLine = regexp.MustCompile(`^Benchmark[^/\s]+(?:/(\S+?))?(?:-\d+)?\s+\d+\s+(.+)$`)

// goBench runs one benchmark function of a package of ours.
func goBench(ctx context.Context, progress io.Writer, pkg, function, benchtime string) ([]result, error) {
	root, err := gitlatch.Root(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "running %s of ./%s\n", function, pkg)
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+function+"$", "-benchmem",
		"-benchtime", benchtime, "./"+pkg)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running %s of ./%s: %w\n%s", function, pkg, err, out)
	}
	results := parseBench(string(out))
	if len(results) == 0 {
		return nil, fmt.Errorf("running %s of ./%s: there is no such benchmark", function, pkg)
	}
	return results, nil
}

func parseBench(out string) []result {
	var results []result
	for line := range strings.Lines(out) {
		match := benchLine.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			continue
		}
		r := result{name: match[1], figures: map[string]float64{}}
		fields := strings.Fields(match[2])
		for i := 0; i+1 < len(fields); i += 2 {
			if n, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r.figures[fields[i+1]] = n
			}
		}
		results = append(results, r)
	}
	return results
}
