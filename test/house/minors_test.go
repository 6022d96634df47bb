package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheOldestMinorIsTheSameEverywhere: what is tested, what preflight asks for, and what the pages say is supported.
func TestTheOldestMinorIsTheSameEverywhere(t *testing.T) {
	oldest := variable(t, read(t, "Makefile"), "OLDEST")
	dirs, err := filepath.Glob("../../test/controlplane/v*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"../../test/controlplane/v" + oldest}, dirs); diff != "" {
		t.Errorf("control planes (-want +got):\n%s", diff)
	}
	for _, c := range []struct{ file, pattern string }{
		{"cmd/kubectl-gitlatch/preflight_gaps.go", `(?m)^const oldestMinor = (\d+)$`},
		{"Makefile", `oldest supported Kubernetes \(1\.(\d+)\)`},
		{"README.md", `(?m)^Supported: \[Kubernetes 1\.(\d+),`},
		{"README.md", `the gate on 1\.(\d+) too`},
		{"docs/kubernetes-versions.md", `\*\*1\.(\d+), 1\.`},
		{"docs/kubernetes-versions.md", `(?m)^\| 1\.(\d+)\.\d+ \| the gate's scenarios`},
	} {
		if said := regexp.MustCompile(c.pattern).FindStringSubmatch(read(t, c.file)); said == nil || "1."+said[1] != oldest {
			t.Errorf("%s: %s says %q, and the oldest is %s", c.file, c.pattern, said, oldest)
		}
	}
}

// TestTheGatesScenariosAreThere: a package that was renamed would go untested on the oldest minor, or fail there alone.
func TestTheGatesScenariosAreThere(t *testing.T) {
	packages := strings.Fields(variable(t, read(t, "Makefile"), "GATE"))
	if diff := cmp.Diff([]string{"./e2e", "./e2e/backstop", "./e2e/identity"}, packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	for _, p := range packages {
		if _, err := os.Stat(filepath.Join("..", "..", p)); err != nil {
			t.Error(err)
		}
	}
}
