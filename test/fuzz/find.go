package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// find compiles the packages that have targets.
func find(ctx context.Context, dir, cache, only string) ([]target, error) {
	listed, err := output(ctx, ".", "go", "list", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{join .TestGoFiles \",\"}}", "./...")
	if err != nil {
		return nil, err
	}
	var targets []target
	for i, line := range strings.Split(strings.TrimSpace(listed), "\n") {
		fields := strings.Split(line, "\t")
		pkg, from := fields[0], fields[1]
		if has, err := fuzzes(from, strings.Split(fields[2], ","), only); err != nil || !has {
			if err != nil {
				return nil, err
			}
			continue
		}
		fmt.Println("compiling", pkg)
		binary := filepath.Join(dir, fmt.Sprintf("%d.test", i))
		if said, err := output(ctx, ".", "go", "test", "-c", "-fuzz=.", "-o", binary, pkg); err != nil {
			return nil, fmt.Errorf("compiling %s: %w\n%s", pkg, err, said)
		}
		names, err := output(ctx, from, binary, "-test.list=^Fuzz")
		if err != nil {
			return nil, fmt.Errorf("listing the targets of %s: %w", pkg, err)
		}
		for name := range strings.FieldsSeq(names) {
			if strings.HasPrefix(name, "Fuzz") && strings.Contains(name, only) {
				targets = append(targets, target{pkg: pkg, name: name, dir: from, binary: binary,
					corpus: filepath.Join(cache, "fuzz", filepath.FromSlash(pkg))})
			}
		}
	}
	return targets, nil
}

// declaration begins a fuzz target.
var declaration = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// fuzzes says whether one of the files has such a target. Packages without any are not run to list them: their TestMain
// may start a control plane.
func fuzzes(dir string, files []string, only string) (bool, error) {
	for _, name := range files {
		if name == "" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return false, err
		}
		for _, match := range declaration.FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(match[1], only) {
				return true, nil
			}
		}
	}
	return false, nil
}
