package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// commands writes a page for each command, from what it says of itself.
func commands() error {
	dir, err := os.MkdirTemp("", "gitlatch-reference-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/...").CombinedOutput(); err != nil {
		return fmt.Errorf("building the commands: %w: %s", err, out)
	}
	for _, page := range []struct {
		name, title string
		calls       [][]string
	}{
		{"webhook", "webhook", [][]string{{"webhook", "--help"}}},
		{"applier", "applier", [][]string{{"applier", "--help"}}},
		{"reporter", "reporter", [][]string{{"reporter", "--help"}}},
		{"kubectl-gitlatch", "kubectl gitlatch", [][]string{
			{"kubectl-gitlatch", "--help"},
			{"kubectl-gitlatch", "records", "list", "--help"},
			{"kubectl-gitlatch", "records", "show", "--help"},
			{"kubectl-gitlatch", "review", "--help"},
			{"kubectl-gitlatch", "review", "show", "--help"},
			{"kubectl-gitlatch", "review", "approve", "--help"},
			{"kubectl-gitlatch", "review", "reject", "--help"},
			{"kubectl-gitlatch", "review", "comment", "--help"},
			{"kubectl-gitlatch", "audit", "--help"},
			{"kubectl-gitlatch", "access", "--help"},
			{"kubectl-gitlatch", "preflight", "--help"},
			{"kubectl-gitlatch", "status", "--help"},
			{"kubectl-gitlatch", "archive", "verify", "--help"},
			{"kubectl-gitlatch", "break-glass", "--help"},
			{"kubectl-gitlatch", "off", "--help"},
			{"kubectl-gitlatch", "on", "--help"},
			{"kubectl-gitlatch", "why", "--help"},
			{"kubectl-gitlatch", "policy", "test", "--help"},
			{"kubectl-gitlatch", "web", "--help"},
			{"kubectl-gitlatch", "version", "--help"},
		}},
	} {
		if err := commandPage(dir, page.name, page.title, page.calls); err != nil {
			return fmt.Errorf("writing the reference of %s: %w", page.title, err)
		}
	}
	return nil
}

func commandPage(dir, name, title string, calls [][]string) error {
	var out strings.Builder
	fmt.Fprintf(&out, "<!-- Generated from what the command says of itself by `make generate`. -->\n# %s\n", title)
	for _, call := range calls {
		cmd := exec.Command(filepath.Join(dir, call[0]), call[1:]...)
		// What it says must not depend on who asks.
		cmd.Env = []string{"HOME=/home/you", "POD_NAME=$POD_NAME"}
		text, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("running %s: %w: %s", strings.Join(call, " "), err, text)
		}
		if heading := strings.Join(call[1:len(call)-1], " "); heading != "" {
			fmt.Fprintf(&out, "\n## %s %s\n", title, heading)
		}
		fmt.Fprintf(&out, "\n```\n%s\n```\n", strings.TrimSpace(string(text)))
	}
	return os.WriteFile(filepath.Join("docs/reference", name+".md"), []byte(out.String()), 0o644)
}
