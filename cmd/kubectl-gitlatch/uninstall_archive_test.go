package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestAnUninstallThatFailedLeavesNoArchiveButOneWithRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.jsonl")
	u := &uninstall{archive: path, now: noon}
	r := &removal{}
	for range 2 { // the same command may be given again
		if err := u.openArchive(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := u.closeArchive(r, true); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Fatalf("the empty archive: %v", err)
		}
	}
	if err := u.openArchive(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	record := denied()
	record.UID = "uid-1"
	if err := r.archive.append(t.Context(), noon(), []*v1alpha1.ChangeRecord{&record}); err != nil {
		t.Fatal(err)
	}
	if err := u.closeArchive(r, true); err != nil {
		t.Fatal(err)
	}
	nobody(t)
	if got := gitlatch(t.Context(), "", noon, "archive", "verify", path, "--head", r.archive.head.String()); got.Code != 0 {
		t.Errorf("the archive: %+v", got)
	}
	want := "--archive, and nothing was done: open " + path + ": file exists"
	if err := u.openArchive(t.Context(), r); err == nil || err.Error() != want {
		t.Errorf("a second archive of one name: %v, want %s", err, want)
	}
}

func TestAnUninstallWithoutRecordsLeavesAnArchiveThatCanBeVerified(t *testing.T) {
	nobody(t)
	u := &uninstall{archive: filepath.Join(t.TempDir(), "records.jsonl"), now: noon}
	r := &removal{}
	if err := u.openArchive(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := u.closeArchive(r, false); err != nil {
		t.Fatal(err)
	}
	if got := gitlatch(t.Context(), "", noon, "archive", "verify", u.archive, "--head", "none"); got.Code != 0 {
		t.Errorf("the archive: %+v", got)
	}
}

func TestACRDThatIsNotServedHoldsNobodyKnowsWhat(t *testing.T) {
	crd := func(resource string) removed {
		return removed{removalKind{GroupVersionResource: schema.GroupVersionResource{Group: "apiextensions.k8s.io", Resource: crdResource},
			Kind: "CustomResourceDefinition"}, "", resource + ".gitlatch.dev"}
	}
	refusal := func(resource string) string {
		return "customresourcedefinition.apiextensions.k8s.io/" + resource +
			".gitlatch.dev is there, and the API server does not serve it, so that nobody knows what it holds: its status says why"
	}
	served := &removalCluster{}
	for _, resource := range []string{"gitsyncs", "changerecords"} {
		served.kinds = append(served.kinds, removalKind{GroupVersionResource: v1alpha1.GroupVersion.WithResource(resource)})
	}
	for _, c := range []struct {
		name    string
		u       uninstall
		cluster *removalCluster
		of      removed
		want    string
	}{
		{"records", uninstall{}, &removalCluster{}, crd("changerecords"), refusal("changerecords")},
		{"records to archive", uninstall{archive: "records.jsonl"}, &removalCluster{}, crd("changerecords"), refusal("changerecords")},
		{"records that are given up", uninstall{discard: true}, &removalCluster{}, crd("changerecords"), ""},
		{"records that stay", uninstall{keep: true}, &removalCluster{}, crd("changerecords"), ""},
		{"syncs", uninstall{discard: true}, &removalCluster{}, crd("gitsyncs"), refusal("gitsyncs")},
		{"policies", uninstall{}, &removalCluster{}, crd("changepolicies"), ""},
		{"records that are served", uninstall{}, served, crd("changerecords"), ""},
		{"syncs that are served", uninstall{}, served, crd("gitsyncs"), ""},
	} {
		got := ""
		if err := c.u.served(c.cluster, []removed{c.of}); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
