package postgres

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// TestWhatKeepsARecordOut: only a row that the reporter wrote; test-peers plants some
// in a real database.
func TestWhatKeepsARecordOut(t *testing.T) {
	rec := &v1alpha1.ChangeRecord{ObjectMeta: metav1.ObjectMeta{Name: "cr-one", UID: "uid-1", ResourceVersion: "7"}}
	text, _, err := archive.Encode(archive.Head{Seq: 3, Hash: strings.Repeat("0f", 32)}, time.Time{}, rec)
	if err != nil {
		t.Fatal(err)
	}
	line := string(text)
	for name, tc := range map[string]struct {
		v    version
		text string
		seq  int64
		last uint64
		want bool
	}{
		"the line that was written":  {version{"uid-1", "7"}, line, 4, 4, true},
		"a row without a line":       {version{"uid-1", "7"}, "", 4, 4, false},
		"an edited line":             {version{"uid-1", "7"}, strings.Replace(line, "cr-one", "cr-two", 1), 4, 4, false},
		"a line of another record":   {version{"uid-2", "7"}, line, 4, 4, false},
		"a line of another version":  {version{"uid-1", "8"}, line, 4, 4, false},
		"a row with another number":  {version{"uid-1", "7"}, line, 3, 4, false},
		"a row with a number below":  {version{"uid-1", "7"}, line, -4, 4, false},
		"a row behind the last line": {version{"uid-1", "7"}, line, 4, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.v.in(tc.text, tc.seq, tc.last); got != tc.want {
				t.Errorf("in() = %t, want %t", got, tc.want)
			}
		})
	}
}

// TestWhatIsTrusted: no process of the reporter's leaves more than a batch untold.
func TestWhatIsTrusted(t *testing.T) {
	known := archive.Head{Seq: 10, Hash: strings.Repeat("0f", 32)}
	for head, want := range map[uint64]uint64{10: 10, 11 + archive.MaxBatch: 11 + archive.MaxBatch, 12 + archive.MaxBatch: 10, 3: 3} {
		b := &batch{known: known, head: archive.Head{Seq: head, Hash: known.Hash}}
		if got := b.trusted(); got != want {
			t.Errorf("of a database up to %d it trusts %d, want %d", head, got, want)
		}
	}
}
