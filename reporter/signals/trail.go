package signals

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// trail counts the declared objects for which `kubectl gitlatch why` has what it needs.
type trail struct {
	declared   int // in the inventories
	seen       int // live, and marked by a sync
	answerable int
	unread     []string // kinds that may not be listed
	down       []string // kinds whose own API server does not answer
	first      []string // some of those that can't be answered
}

const examples = 3

// readTrail lists the metadata of what the syncs declare, a kind at a time.
func (f *found) readTrail(ctx context.Context) error {
	if !f.known[listSyncs] {
		return nil
	}
	t := &trail{}
	kinds := map[schema.GroupVersionKind]int{}
	applied := map[string]bool{} // marks of the syncs that have applied something
	for i := range f.syncs {
		s := &f.syncs[i]
		if s.Status.LastAppliedCommit != "" {
			applied[v1alpha1.SyncLabel(s.Namespace, s.Name)] = true
		}
		for _, e := range entries(s) {
			t.declared++
			if kind, ok := kindOf(e); ok {
				kinds[kind]++
			}
		}
	}
	sorted := make([]schema.GroupVersionKind, 0, len(kinds))
	for kind := range kinds {
		sorted = append(sorted, kind)
	}
	slices.SortFunc(sorted, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
	for _, kind := range sorted {
		switch err := f.readKind(ctx, t, kind, applied); {
		case apierrors.IsForbidden(err):
			t.unread = append(t.unread, kind.Kind)
			f.missing = append(f.missing, "list "+kind.GroupKind().String()+", which syncs declare")
		case meta.IsNoMatchError(err), apierrors.IsNotFound(err): // its CRD is gone, and it with it
		case apierrors.IsServiceUnavailable(err):
			t.down = append(t.down, kind.Kind)
		case err != nil:
			return err
		}
	}
	f.trail = t
	return nil
}

func entries(s *v1alpha1.GitSync) []v1alpha1.InventoryEntry {
	if s.Status.Inventory == nil {
		return nil
	}
	return s.Status.Inventory.Entries
}

// kindOf an inventory's entry, <namespace>_<name>_<group>_<kind>.
func kindOf(e v1alpha1.InventoryEntry) (schema.GroupVersionKind, bool) {
	parts := strings.Split(e.ID, "_")
	n := len(parts)
	if n < 4 || parts[n-1] == "" || e.Version == "" {
		return schema.GroupVersionKind{}, false
	}
	return schema.GroupVersionKind{Group: parts[n-2], Version: e.Version, Kind: parts[n-1]}, true
}

func (f *found) readKind(ctx context.Context, t *trail, kind schema.GroupVersionKind, applied map[string]bool) error {
	next := ""
	for {
		page := &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := f.Reader.List(ctx, page, client.HasLabels{v1alpha1.LabelSync}, client.Limit(pageSize), client.Continue(next)); err != nil {
			return err
		}
		for i := range page.Items {
			t.take(&page.Items[i], kind, applied)
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// take: `why` goes from the object's sync to its repository, its file and the commit
// that changed it last.
func (t *trail) take(o *metav1.PartialObjectMetadata, kind schema.GroupVersionKind, applied map[string]bool) {
	t.seen++
	lacks := ""
	commit, _, _ := strings.Cut(o.Annotations[v1alpha1.AnnotationCommit], " ")
	switch {
	case !applied[o.Labels[v1alpha1.LabelSync]]:
		lacks = "its sync is not there, or has applied nothing"
	case o.Annotations[v1alpha1.AnnotationSource] == "":
		lacks = "it does not say where in git it is declared"
	case commit == "":
		lacks = "it does not say which commit changed it last"
	default:
		t.answerable++
		return
	}
	if len(t.first) < examples {
		name := o.Name
		if o.Namespace != "" {
			name = o.Namespace + "/" + name
		}
		t.first = append(t.first, fmt.Sprintf("%s %s: %s", kind.Kind, name, lacks))
	}
}
