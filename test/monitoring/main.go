// Command monitoring writes what of manifests/monitoring has one source elsewhere: prometheusrule.yaml from rules.yaml,
// dashboard.json from the panels in panels.go; and docs/reference/metrics.md from the source of the commands. `make
// generate` runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const monitoring = "manifests/monitoring"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

func run() error {
	if _, err := os.Stat(monitoring); err != nil {
		return fmt.Errorf("looking for manifests: %w; run this from the root of the repository", err)
	}
	for _, page := range []struct {
		path string
		make func() ([]byte, error)
	}{
		{filepath.Join(monitoring, "prometheusrule.yaml"), prometheusRule},
		{filepath.Join(monitoring, "dashboard.json"), dashboard},
		{"docs/reference/metrics.md", reference},
	} {
		content, err := page.make()
		if err != nil {
			return fmt.Errorf("making %s: %w", page.path, err)
		}
		if err := os.WriteFile(page.path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
