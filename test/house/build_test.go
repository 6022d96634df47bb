package house

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheSameSourceBuildsTheSameBytes builds the webhook as `make build` does, here and from a copy of the source in
// another directory.
func TestTheSameSourceBuildsTheSameBytes(t *testing.T) {
	root := filepath.Join("..", "..")
	elsewhere := t.TempDir()
	for _, part := range []string{"go.mod", "go.sum", "api", "cmd", "policy", "reporter", "webhook"} {
		copyTree(t, filepath.Join(root, part), filepath.Join(elsewhere, part))
	}
	here, there := sum(t, root), sum(t, elsewhere)
	if here != there {
		t.Errorf("the same source in two directories builds different bytes: %x and %x", here, there)
	}
}

func sum(t *testing.T, dir string) [sha256.Size]byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "webhook")
	makefile := read(t, "Makefile")
	args := append([]string{"build", "-o", out}, strings.Fields(variable(t, makefile, "BUILDFLAGS"))...)
	cmd := exec.Command("go", append(args, "-ldflags", variable(t, makefile, "LDFLAGS"), "./cmd/webhook")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the webhook: %v\n%s", err, output)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// TestTheImageIsBuiltWithTheSameFlags: the Dockerfile repeats them, since the image is built without make.
func TestTheImageIsBuiltWithTheSameFlags(t *testing.T) {
	makefile := read(t, "Makefile")
	dockerfile := strings.Join(strings.Fields(strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")), " ")
	want := "go build " + variable(t, makefile, "BUILDFLAGS") + ` -ldflags "` + variable(t, makefile, "LDFLAGS") + `" -o /out/ ./cmd/...`
	if !strings.Contains(dockerfile, want) {
		t.Errorf("the Dockerfile doesn't run %q", want)
	}
	if !strings.Contains(dockerfile, "CGO_ENABLED=0") {
		t.Error("the Dockerfile doesn't set CGO_ENABLED=0")
	}
	go126 := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if go126 == nil || !strings.Contains(dockerfile, "FROM golang:"+go126[1]+" ") {
		t.Errorf("the Dockerfile doesn't build with the Go version of go.mod, %v", go126)
	}
}

// TestTheImageHoldsNothingElse: no shell, no root, and nothing but source goes in.
func TestTheImageHoldsNothingElse(t *testing.T) {
	stages := strings.Split(read(t, "Dockerfile"), "\nFROM ")
	final := stages[len(stages)-1]
	for _, want := range []string{"gcr.io/distroless/static:nonroot\n", "\nUSER 65532:65532\n", "\nCOPY --from=build /out/ /\n"} {
		if !strings.Contains(final, want) {
			t.Errorf("the last stage of the Dockerfile has no %q", want)
		}
	}
	if strings.Contains(final, "\nENTRYPOINT ") || strings.Contains(final, "\nCMD ") {
		t.Error("the image starts a command that nobody named; it holds several")
	}
	if strings.Contains(final, "\nRUN ") {
		t.Error("the last stage of the Dockerfile runs something; there is no shell to run it")
	}
	if ignore := read(t, ".dockerignore"); !strings.Contains(ignore, "\n*\n") {
		t.Error(".dockerignore doesn't begin by leaving everything out")
	}
}

func variable(t *testing.T, makefile, name string) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^` + name + `\s*=\s*(.*)$`).FindStringSubmatch(makefile)
	if match == nil {
		t.Fatalf("the Makefile has no %s", name)
	}
	return match[1]
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
