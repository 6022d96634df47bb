package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKubebuilderAssetsAreTakenOnlyWhenWhole(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KUBEBUILDER_ASSETS", dir)
	t.Setenv(VersionVariable, "")
	names := []string{etcdName, apiServerName, kubectlName, controllerManagerName}
	for i, name := range names {
		got, err := Binaries(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(got.Etcd) == dir {
			t.Errorf("it was taken with no more than %v", names[:i])
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Binaries(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(assetsIn(dir, ""), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheBuildIgnoresWhatIsMeantForAnotherModule(t *testing.T) {
	got := buildEnv([]string{"PATH=/bin", "GOFLAGS=-mod=vendor -race", "GOWORK=/w", "GOOS=plan9", "GOPROXY=off"})
	want := []string{"PATH=/bin", "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAVersionIsKeyedByAllThatIsBuilt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module m\n\nrequire (\n\tk8s.io/kubernetes v1.35.9\n)\n")
	write("go.sum", "one\n")
	version, first, err := identify(dir)
	if err != nil {
		t.Fatal(err)
	}
	write("go.sum", "two\n")
	_, second, err := identify(dir)
	if err != nil {
		t.Fatal(err)
	}
	if version != "v1.35.9" || first == second {
		t.Errorf("version %q, sums %q and %q", version, first, second)
	}
	write("go.mod", "module m\n")
	if _, _, err := identify(dir); err == nil || !strings.Contains(err.Error(), "requires no k8s.io/kubernetes") {
		t.Errorf("a module without Kubernetes: %v", err)
	}
}
