package gitlatch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const module = "github.com/gitlatch/gitlatch"

// Build compiles commands of ours, "webhook" or "kubectl-gitlatch", into the directory. The Go build cache makes the
// second time a matter of a second. They have the race detector when the test has it; see [mayRace].
func Build(ctx context.Context, dir string, commands ...string) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range commands {
		cmd := building(ctx, root, filepath.Join(dir, name), name, raced() && mayRace(name))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building cmd/%s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// building is the go command that builds one of ours.
func building(ctx context.Context, root, target, name string, race bool) *exec.Cmd {
	flags, cgo := []string{"-trimpath", "-ldflags", "-s -w"}, "CGO_ENABLED=0"
	if race {
		// The detector is C. With the flags of `go test -race` what that compiled is compiled already.
		flags, cgo = []string{"-race"}, "CGO_ENABLED=1"
	}
	args := slices.Concat([]string{"build", "-buildvcs=false", "-o", target}, flags, []string{module + "/cmd/" + name})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), cgo)
	return cmd
}

// Root returns the directory of our source: above this file, or, where the compiler trimmed its path, what the go
// command says.
func Root(ctx context.Context) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
		if _, err := os.Stat(filepath.Join(root, "manifests", "default")); err == nil {
			return root, nil
		}
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("finding the source of %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}
