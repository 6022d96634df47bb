// Command peers says which of the programs that `make test-peers` needs are missing, and how to get them. The tests with
// build tag peers run Gitlatch against real ones: Prometheus and Alertmanager, PostgreSQL, a browser.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], tools(), os.Stdout, os.Stderr)) }

// tool is a program that has to be there under one of these names, or at a path that one of the patterns fits.
type tool struct {
	names    []string
	patterns []string
	debian   string // the package that has it
}

func tools() []tool {
	return []tool{
		{names: []string{"prometheus"}, debian: "prometheus"},
		{names: []string{"promtool"}, debian: "prometheus"},
		{names: []string{"prometheus-alertmanager", "alertmanager"}, debian: "prometheus-alertmanager"},
		{names: []string{"amtool"}, debian: "prometheus-alertmanager"},
		{names: []string{"postgres"}, patterns: []string{"/usr/lib/postgresql/*/bin/postgres"}, debian: "postgresql"},
		{names: []string{"initdb"}, patterns: []string{"/usr/lib/postgresql/*/bin/initdb"}, debian: "postgresql"},
		{names: []string{"chromium"}, debian: "chromium"},
		{names: []string{"chromedriver"}, debian: "chromium-driver"},
	}
}

func (t tool) there() bool {
	for _, name := range t.names {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	for _, pattern := range t.patterns {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// run gives 0 when all are there, or when only the packages were asked for.
func run(args []string, tools []tool, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.Bool("packages", false, "write the Debian packages that are missing, and nothing else")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	var missing, packages []string
	for _, t := range tools {
		if t.there() {
			continue
		}
		missing = append(missing, fmt.Sprintf("  %-24s (Debian: %s)", t.names[0], t.debian))
		if !slices.Contains(packages, t.debian) {
			packages = append(packages, t.debian)
		}
	}
	switch {
	case *only:
		fmt.Fprintln(stdout, strings.Join(packages, " "))
		return 0
	case len(missing) == 0:
		return 0
	}
	fmt.Fprintf(stderr, "peers: missing:\n%s\n", strings.Join(missing, "\n"))
	fmt.Fprintf(stderr, "On Debian: apt-get install --no-install-recommends %s\n", strings.Join(packages, " "))
	fmt.Fprintln(stderr, "No service of theirs has to run: the tests start their own, on loopback.")
	return 1
}
