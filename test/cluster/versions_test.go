package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAMinorIsFoundAmongTheModules(t *testing.T) {
	source := t.TempDir()
	newest := filepath.Join(source, "test", "controlplane")
	oldest := filepath.Join(newest, "v1.35")
	if err := os.MkdirAll(oldest, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, version := range map[string]string{newest: "v1.37.2", oldest: "v1.35.8"} {
		content := "module m\n\nrequire (\n\tk8s.io/kubernetes " + version + "\n)\n"
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for minor, want := range map[string]string{"": newest, "1.37": newest, "1.35": oldest} {
		got, err := moduleOf(source, minor)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("minor %q (-want +got):\n%s", minor, diff)
		}
	}
	_, err := moduleOf(source, "1.36")
	if want := `reading GITLATCH_TEST_KUBERNETES: there is no Kubernetes "1.36" here, but 1.37, 1.35`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestADirectoryIsNamedByItsMinor: a module that is moved to another version is still called by the old one.
func TestADirectoryIsNamedByItsMinor(t *testing.T) {
	modules, err := filepath.Glob("../controlplane/v*/go.mod")
	if err != nil || len(modules) == 0 {
		t.Fatalf("no older control plane: %v", err)
	}
	for _, module := range modules {
		version, err := versionOf(module)
		if err != nil {
			t.Fatal(err)
		}
		major, minor := majorMinor(version)
		if got := filepath.Base(filepath.Dir(module)); got != "v"+major+"."+minor {
			t.Errorf("%s has Kubernetes %s", module, version)
		}
	}
}

func TestKubebuilderAssetsAreNotTakenForANamedMinor(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{etcdName, apiServerName, kubectlName, controllerManagerName} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBEBUILDER_ASSETS", dir)
	t.Setenv(VersionVariable, "1.37")
	got, err := Binaries(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(got.Etcd) == dir || got.Version == "" {
		t.Errorf("it was taken: %+v", got)
	}
}
