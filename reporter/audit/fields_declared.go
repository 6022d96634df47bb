package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// objectKey is a hash of an object's group, kind, namespace and name.
type objectKey [16]byte

func keyOf(group, kind, namespace, name string) objectKey {
	sum := sha256.Sum256([]byte(namespace + "_" + name + "_" + group + "_" + kind))
	return objectKey(sum[:16])
}

// inventories are the objects that GitSyncs say they have applied, and whether each was
// seen.
type inventories map[objectKey]bool

// saw says whether the object is in an inventory, and remembers that it is there.
func (i inventories) saw(key objectKey) bool {
	_, there := i[key]
	if there {
		i[key] = true
	}
	return there
}

// readInventories reads what git declares, as far as GitSyncs list it.
func (s *survey) readInventories(ctx context.Context) error {
	s.declared = inventories{}
	return s.eachSync(ctx, func(sync *v1alpha1.GitSync) error {
		if whole, why := appliedWhole(sync); !whole {
			s.notExamined("what GitSync "+sync.Namespace+"/"+sync.Name+" declares", why)
			return nil
		}
		for _, entry := range inventoryOf(sync) {
			if namespace, name, group, kind, ok := parseInventory(entry.ID); ok {
				s.declared[keyOf(group, kind, namespace, name)] = false
			}
		}
		return nil
	})
}

func inventoryOf(sync *v1alpha1.GitSync) []v1alpha1.InventoryEntry {
	if sync.Status.Inventory == nil {
		return nil
	}
	return sync.Status.Inventory.Entries
}

// eachSync reads GitSyncs a few at a time: an inventory may be a megabyte.
func (s *survey) eachSync(ctx context.Context, each func(*v1alpha1.GitSync) error) error {
	if s.Reader == nil {
		return nil
	}
	next := ""
	for {
		var page v1alpha1.GitSyncList
		err := s.Reader.List(ctx, &page, client.Limit(5), client.Continue(next))
		switch {
		case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			return nil
		case apierrors.IsForbidden(err):
			s.notExamined("what GitSyncs declare", err.Error())
			return nil
		case err != nil:
			return fmt.Errorf("listing GitSyncs: %w", err)
		}
		for i := range page.Items {
			if err := each(&page.Items[i]); err != nil {
				return err
			}
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// appliedWhole: every object of the inventory was there once. It is written before they
// are applied, so that one whose apply failed may never have been.
func appliedWhole(sync *v1alpha1.GitSync) (bool, string) {
	ready := meta.FindStatusCondition(sync.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case sync.Status.LastAppliedCommit == "" || ready == nil:
		return false, "it has applied no commit whole yet"
	case sync.DeletionTimestamp != nil:
		return false, "it is being deleted"
	case ready.Status == metav1.ConditionTrue:
		return true, ""
	}
	switch ready.Reason {
	case v1alpha1.SyncDrifted, v1alpha1.SyncFetchFailed, v1alpha1.SyncRefNotFound, v1alpha1.SyncUnverified,
		v1alpha1.SyncReferenceMissing, v1alpha1.SyncDependencyNotReady:
		return true, "" // it has not begun to apply another commit
	}
	return false, "it is not applied whole: " + ready.Reason
}

// parseInventory reads an entry's id, <namespace>_<name>_<group>_<kind>, a ":" in a name
// as "__".
func parseInventory(id string) (namespace, name, group, kind string, ok bool) {
	namespace, rest, _ := strings.Cut(id, "_")
	at := strings.LastIndexByte(rest, '_')
	if at < 0 {
		return "", "", "", "", false
	}
	rest, kind = rest[:at], rest[at+1:]
	if at = strings.LastIndexByte(rest, '_'); at < 0 {
		return "", "", "", "", false
	}
	name, group = strings.ReplaceAll(rest[:at], "__", ":"), rest[at+1:]
	return namespace, name, group, kind, name != "" && kind != ""
}

// carriers are who carries git's changes, and the mark that they leave on each object.
// Sources: fluxcd/pkg/ssa (owner labels), argoproj/argo-cd common
// (AnnotationKeyAppInstance); the field managers are those of manifests/policies.
func carriers() []struct{ manager, mark string } {
	return []struct{ manager, mark string }{
		{v1alpha1.FieldManager, v1alpha1.LabelSync},
		{"kustomize-controller", "kustomize.toolkit.fluxcd.io/name"},
		{"helm-controller", "helm.toolkit.fluxcd.io/name"},
		{"argocd-controller", "argocd.argoproj.io/tracking-id"},
	}
}

// erased finds an object that git declares and of which managedFields no longer say so.
// It is known by an inventory, or by a carrier's mark that no entry owns: controllers
// copy labels and annotations, and own their copies.
func (s *survey) erased(k *kind, o *metav1.PartialObjectMetadata, inventoried bool) {
	if o.DeletionTimestamp != nil || s.failed != nil {
		return
	}
	by := ""
	for _, c := range carriers() {
		marked := inventoried && c.manager == v1alpha1.FieldManager || hasMark(o, c.mark) && !ownsMark(o, c.mark)
		if marked && slices.ContainsFunc(s.Policies, func(p *policy.Policy) bool { return p.Sync(c.manager) }) {
			by = c.manager
			break
		}
	}
	if by == "" || s.heldBySync(o) {
		return
	}
	governing := s.governing(k, o.Namespace, o.Name, o.Labels)
	if governing == nil {
		return
	}
	f := findingAbout(k, o.Namespace, o.Name)
	f.Reason, f.Policy, f.Target, f.Declared = v1alpha1.ReasonErased, governing.Name, targetOf(o), true
	f.Message = fmt.Sprintf("git declares %s, and its managedFields hold no entry of %s: somebody cleared them, or wrote over all that git declared of it",
		nameOf(k, o.Namespace, o.Name), by)
	f.Next = "have the sync apply it again; the API server's audit log tells who it was, and when"
	s.report(f)
}

func hasMark(o *metav1.PartialObjectMetadata, mark string) bool {
	return o.Labels[mark] != "" || o.Annotations[mark] != ""
}

// ownsMark: an entry names it. Its text is enough: no name of a field holds a quote.
func ownsMark(o *metav1.PartialObjectMetadata, mark string) bool {
	return slices.ContainsFunc(o.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.FieldsV1 != nil && bytes.Contains(e.FieldsV1.GetRawBytes(), []byte(`"f:`+mark+`"`))
	})
}

// heldBySync: an entry of a sync identity is there.
func (s *survey) heldBySync(o *metav1.PartialObjectMetadata) bool {
	return slices.ContainsFunc(o.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Subresource != "status" && slices.ContainsFunc(s.Policies, func(p *policy.Policy) bool { return p.Sync(e.Manager) })
	})
}

// governing is the first policy that governs an object as it stands; nil: none.
func (s *survey) governing(k *kind, namespace, name string, labels map[string]string) *policy.Policy {
	of := map[string]any{}
	for key, value := range labels {
		of[key] = value
	}
	object := map[string]any{"metadata": map[string]any{"labels": of}}
	req := &policy.Request{
		Operation: policy.Update, Resource: k.GroupVersionResource, Kind: k.of(), Namespace: namespace, Name: name,
		Object: object, Old: object,
	}
	if k.isNamespaces() {
		req.Namespace = name
	}
	facts := &policy.Facts{Install: s.Install, NamespaceLabels: s.namespaces[namespace]}
	for _, p := range s.Policies {
		if p.Governs(req, facts) {
			return p
		}
	}
	return nil
}
