package archive

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// noon is when the tests archive.
func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 123456789, time.UTC) }

// denied is a record of alice's.
func denied(n int) *v1alpha1.ChangeRecord {
	return &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cr-%04d", n), UID: types.UID(fmt.Sprintf("uid-%d", n)), ResourceVersion: fmt.Sprint(100 + n)},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: v1alpha1.OutcomeDenied, Requester: v1alpha1.Requester{Username: "alice"},
			Request:  v1alpha1.RecordedRequest{Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment", Namespace: "prod", Name: "web"},
			Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		},
		Status: v1alpha1.ChangeRecordStatus{Phase: v1alpha1.PhaseDenied, Count: 1},
	}
}

func deniedFrom(from, to int) []*v1alpha1.ChangeRecord {
	var out []*v1alpha1.ChangeRecord
	for n := from; n <= to; n++ {
		out = append(out, denied(n))
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// archiveOf is a path to an archive of so many records, and its head: line 1 begins
// it, and record n is line n+1.
func archiveOf(t *testing.T, records int) (string, Head) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive.jsonl")
	f := &File{Path: path}
	done, err := f.Append(t.Context(), Head{}, noon(), deniedFrom(1, records))
	must(t, err)
	must(t, f.Close())
	return path, done.Head
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path, data, 0o600))
}

func linesOf(data []byte) []string {
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// verified is the report on some text under the name "a".
func verified(t *testing.T, text []byte, head *Head) Report {
	t.Helper()
	v := &Verifier{Head: head}
	must(t, v.Read(t.Context(), "a", bytes.NewReader(text)))
	return v.Finish()
}

// intact fails unless the archive is, up to a head, and holds the records.
func intact(t *testing.T, path string, head Head, records int64) {
	t.Helper()
	r := verified(t, read(t, path), &head)
	if !r.Intact || r.Last != head || r.Records != records {
		t.Errorf("the archive is %+v, want it intact with %d records up to %s", r, records, head)
	}
}
