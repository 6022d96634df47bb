package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

const binaryTarget = 50_000_000

// heavy is what the webhook must not link.
func heavy() []string {
	return []string{"github.com/go-git", "sigs.k8s.io/kustomize", "helm.sh", "github.com/getsops", "go.mozilla.org/sops"}
}

// binary looks into the program as well as into what the go command says: the one is what is shipped, the other names
// packages.
func binary(ctx context.Context, progress io.Writer) ([]Table, error) {
	fmt.Fprintln(progress, "building the webhook")
	dir, err := os.MkdirTemp("", "gitlatch-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := gitlatch.Build(ctx, dir, "webhook"); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "webhook")
	file, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	modules, err := linkedModules(path)
	if err != nil {
		return nil, err
	}
	packages, err := linkedPackages(ctx)
	if err != nil {
		return nil, err
	}
	found := append(among(modules, heavy()), among(packages, heavy())...)
	linked := Row{
		Name: "go-git, kustomize, helm, sops in it", Values: []Value{{float64(len(found)), ""}}, Target: "none", Missed: len(found) > 0,
		Notes: []string{fmt.Sprintf("(of %d modules, %d packages)", len(modules), len(packages))},
	}
	linked.Notes = append(linked.Notes, found...)
	return []Table{{
		Title:   "The webhook's program, stripped",
		Columns: []string{""},
		Rows: []Row{
			{Name: "size, MB", Values: []Value{{float64(file.Size()) / 1e6, ""}}, Target: "< 50 MB", Missed: file.Size() >= binaryTarget},
			linked,
		},
	}}, nil
}

// linkedModules is what `go version -m` prints.
func linkedModules(path string) ([]string, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the modules of %s: %w", path, err)
	}
	var modules []string
	for _, m := range info.Deps {
		modules = append(modules, m.Path)
	}
	return modules, nil
}

func linkedPackages(ctx context.Context) ([]string, error) {
	root, err := gitlatch.Root(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "./cmd/webhook")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the packages of cmd/webhook: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// among keeps the paths at or below one of the roots.
func among(paths, roots []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		return !slices.ContainsFunc(roots, func(root string) bool {
			return path == root || strings.HasPrefix(path, root+"/")
		})
	})
}
