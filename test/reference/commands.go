package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	for _, page := range []struct{ name, title string }{
		{"webhook", "webhook"},
		{"applier", "applier"},
		{"reporter", "reporter"},
		{"kubectl-gitlatch", "kubectl gitlatch"},
	} {
		if err := commandPage(dir, page.name, page.title); err != nil {
			return fmt.Errorf("writing the reference of %s: %w", page.title, err)
		}
	}
	return nil
}

func commandPage(dir, name, title string) error {
	var out strings.Builder
	fmt.Fprintf(&out, "<!-- Generated from what the command says of itself by `make generate`. -->\n# %s\n", title)
	if err := describe(&out, filepath.Join(dir, name), title, nil); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("docs/reference", name+".md"), []byte(out.String()), 0o644)
}

// describe writes what a command says of itself, and then what each of the commands below it does, whatever there are.
func describe(out *strings.Builder, program, title string, path []string) error {
	cmd := exec.Command(program, append(slices.Clone(path), "--help")...)
	// What it says must not depend on who asks.
	cmd.Env = []string{"HOME=/home/you", "POD_NAME=$POD_NAME"}
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s %s: %w: %s", title, strings.Join(path, " "), err, text)
	}
	if len(path) > 0 {
		fmt.Fprintf(out, "\n## %s %s\n", title, strings.Join(path, " "))
	}
	fmt.Fprintf(out, "\n```\n%s\n```\n", strings.TrimSpace(string(text)))
	for _, name := range below(string(text)) {
		if err := describe(out, program, title, append(slices.Clone(path), name)); err != nil {
			return err
		}
	}
	return nil
}

// below lists the commands that the help of a command lists, but help itself. Those that are hidden it does not list.
func below(help string) []string {
	_, list, _ := strings.Cut(help, "\nAvailable Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for line := range strings.Lines(list) {
		if words := strings.Fields(line); len(words) > 0 && words[0] != "help" {
			names = append(names, words[0])
		}
	}
	return names
}
