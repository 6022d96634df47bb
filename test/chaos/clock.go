package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// A webhook has no flag for a wrong clock. One that dates its certificates by a clock which the environment moves is built
// from a source in which one line is another.
const (
	clockVariable = "GITLATCH_CHAOS_CLOCK"
	clockFile     = "webhook/certificates/dynamic.go"
	clockRight    = "return newDynamic(options, time.Now)"
	clockMoved    = `wrong, err := time.ParseDuration(os.Getenv("` + clockVariable + `"))
	if err != nil && os.Getenv("` + clockVariable + `") != "" {
		return nil, err
	}
	return newDynamic(options, func() time.Time { return time.Now().Add(wrong) })`
)

// buildClocked builds such a webhook into the directory, by `go build -overlay`.
func buildClocked(ctx context.Context, dir string) (string, error) {
	root, err := gitlatch.Root(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, filepath.FromSlash(clockFile))
	source, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	moved, err := moveClock(string(source))
	if err != nil {
		return "", fmt.Errorf("%s: %w", clockFile, err)
	}
	other, overlay, target := filepath.Join(dir, "dynamic.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "clocked")
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{path: other}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(other, []byte(moved), 0o600), os.WriteFile(overlay, replaced, 0o600)); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-overlay", overlay, "-o", target, "./cmd/webhook")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building a webhook whose clock can be wrong: %w\n%s", err, out)
	}
	return target, nil
}

// moveClock is the source with the other line.
func moveClock(source string) (string, error) {
	for _, change := range [][2]string{{clockRight, clockMoved}, {"import (\n", "import (\n\t\"os\"\n"}} {
		if strings.Count(source, change[0]) != 1 {
			return "", fmt.Errorf("there is not one %q", change[0])
		}
		source = strings.Replace(source, change[0], change[1], 1)
	}
	return source, nil
}
