package record

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// pageSize is how many records are read at a time: up to 4 MiB.
const pageSize = 500

// Filter selects records. Every field narrows; its zero value does not.
type Filter struct {
	Outcome    v1alpha1.Outcome
	User       string // name
	Namespace  string // of the target
	Kind       string // of the target
	Policy     string
	Phase      v1alpha1.Phase
	WindowOpen bool      // only those that opened a break-glass window which is open
	Unresolved bool      // only those whose target may still differ from git
	Since      time.Time // attempted then or later
	Limit      int       // the newest so many
}

// selector is what the API server can select by.
func (f Filter) selector() client.MatchingLabels {
	selected := client.MatchingLabels{}
	set := func(label, value string) {
		if value != "" {
			selected[label] = value
		}
	}
	set(v1alpha1.LabelOutcome, string(f.Outcome))
	set(v1alpha1.LabelNamespace, LabelValue(f.Namespace))
	set(v1alpha1.LabelKind, LabelValue(f.Kind))
	set(v1alpha1.LabelPolicy, LabelValue(f.Policy))
	if f.User != "" {
		set(v1alpha1.LabelUser, UserHash(f.User))
	}
	if f.WindowOpen {
		set(v1alpha1.LabelWindow, WindowOpen)
	}
	if f.Unresolved {
		set(v1alpha1.LabelUnresolved, Unresolved)
	}
	return selected
}

func (f Filter) matches(rec *v1alpha1.ChangeRecord) bool {
	return (f.User == "" || rec.Spec.Requester.Username == f.User) &&
		(f.Phase == "" || PhaseOf(rec) == f.Phase) &&
		(f.Since.IsZero() || !LastSeen(rec).Before(f.Since))
}

// List reads the records that a filter selects, newest first.
func List(ctx context.Context, reader client.Reader, f Filter) ([]v1alpha1.ChangeRecord, error) {
	var out []v1alpha1.ChangeRecord
	err := pages(ctx, reader, f.selector(), func(rec *v1alpha1.ChangeRecord) {
		if f.matches(rec) {
			out = append(out, *rec)
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b v1alpha1.ChangeRecord) int {
		if newer := LastSeen(&b).Compare(LastSeen(&a)); newer != 0 {
			return newer
		}
		return strings.Compare(a.Name, b.Name)
	})
	if f.Limit > 0 && len(out) > f.Limit {
		out = out[:f.Limit]
	}
	return out, nil
}

// pages reads the selected records page by page.
func pages(ctx context.Context, reader client.Reader, selected client.ListOption, each func(*v1alpha1.ChangeRecord)) error {
	next := ""
	for {
		var page v1alpha1.ChangeRecordList
		if err := reader.List(ctx, &page, selected, client.Limit(pageSize), client.Continue(next)); err != nil {
			return fmt.Errorf("listing records: %w", err)
		}
		for i := range page.Items {
			each(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// Seen is when a record's attempt was first seen; a record whose status was
// never written has its creation to go by.
func Seen(rec *v1alpha1.ChangeRecord) time.Time {
	if !rec.Status.FirstSeen.IsZero() {
		return rec.Status.FirstSeen.Time
	}
	return rec.CreationTimestamp.Time
}

// LastSeen is when it was last repeated.
func LastSeen(rec *v1alpha1.ChangeRecord) time.Time {
	if !rec.Status.LastSeen.IsZero() {
		return rec.Status.LastSeen.Time
	}
	return Seen(rec)
}

// PhaseOf is where a record stands, also before its first status is written.
func PhaseOf(rec *v1alpha1.ChangeRecord) v1alpha1.Phase {
	switch {
	case rec.Status.Phase != "":
		return rec.Status.Phase
	case rec.Spec.Outcome == v1alpha1.OutcomeDenied:
		return v1alpha1.PhaseDenied
	}
	return v1alpha1.PhaseAdmitted
}

// Attempts is how often it was tried, at least once.
func Attempts(rec *v1alpha1.ChangeRecord) int64 { return max(rec.Status.Count, 1) }
