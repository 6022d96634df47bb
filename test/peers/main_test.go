package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// installed puts programs, and nothing else, on the path, and gives the directory.
func installed(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

func TestWhatIsMissing(t *testing.T) {
	dir := installed(t, "prometheus", "alertmanager", "initdb-15")
	some := []tool{
		{names: []string{"prometheus"}, debian: "prometheus"},
		{names: []string{"promtool"}, debian: "prometheus"},
		{names: []string{"prometheus-alertmanager", "alertmanager"}, debian: "prometheus-alertmanager"},
		{names: []string{"initdb"}, patterns: []string{filepath.Join(dir, "initdb-*")}, debian: "postgresql"},
		{names: []string{"postgres"}, patterns: []string{filepath.Join(dir, "postgres-*")}, debian: "postgresql"},
		{names: []string{"pg_ctl"}, debian: "postgresql"},
	}
	for _, tc := range []struct {
		name                   string
		args                   []string
		tools                  []tool
		code                   int
		wantStdout, wantStderr string
	}{
		{"all of it and how to get it", nil, some, 1, "", `peers: missing:
  promtool                 (Debian: prometheus)
  postgres                 (Debian: postgresql)
  pg_ctl                   (Debian: postgresql)
On Debian: apt-get install --no-install-recommends prometheus postgresql
No service of theirs has to run: the tests start their own, on loopback.
`},
		{"as packages, for a script", []string{"-packages"}, some, 0, "prometheus postgresql\n", ""},
		{"nothing", nil, some[2:4], 0, "", ""},
		{"nothing, for a script", []string{"-packages"}, some[2:4], 0, "\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(tc.args, tc.tools, &stdout, &stderr)
			if code != tc.code {
				t.Errorf("exit %d, not %d", code, tc.code)
			}
			if diff := cmp.Diff(tc.wantStdout, stdout.String()); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantStderr, stderr.String()); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
		})
	}
}
