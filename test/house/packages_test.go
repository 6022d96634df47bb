package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/gitlatch/gitlatch"

// listed is what we read of `go list -json`.
type listed struct {
	ImportPath   string
	Dir          string
	Doc          string
	Standard     bool
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
}

// room is the path inside the module, "" for its root.
func (p listed) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// ours returns the rooms of our own that the package imports, tests aside: a test may look anywhere.
func (p listed) ours() []string {
	var rooms []string
	for _, path := range p.Imports {
		if rest, ok := strings.CutPrefix(path, module+"/"); ok {
			rooms = append(rooms, rest)
		}
	}
	return rooms
}

// list runs `go list -json` with these arguments.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Doc,Standard,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages: %v\n%s", err, stderr.String())
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("reading what go list wrote: %v", err)
		}
		packages = append(packages, p)
	}
}

// within says whether a room is one of these or inside one.
func within(room string, rooms ...string) bool {
	for _, r := range rooms {
		if room == r || strings.HasPrefix(room, r+"/") {
			return true
		}
	}
	return false
}
