package live

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// pageSize of every list.
const pageSize = 500

// Snapshot lists the metadata of all objects of a kind, in one namespace or, with an
// empty one, in all. Before the first sync of many objects it tells in a few calls
// which of them are there, and whose they are; see [ApplyOptions.Known]. A kind that
// is not served has no objects.
func (c *Cluster) Snapshot(ctx context.Context, gvk schema.GroupVersionKind, namespace string) (map[Key]State, error) {
	states := map[Key]State{}
	m, err := c.mapping(gvk)
	if unserved(err) {
		return states, nil
	}
	if err != nil {
		return nil, err
	}
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := c.metadataOf(m, namespace).List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", m.Resource.GroupResource(), err)
		}
		for i := range page.Items {
			item := &page.Items[i]
			states[Key{gvk.Group, gvk.Kind, item.Namespace, item.Name}] = c.state(item)
		}
		if page.Continue == "" {
			return states, nil
		}
		options.Continue = page.Continue
	}
}

// state is what we keep of an object's metadata.
func (c *Cluster) state(m metav1.Object) State {
	s := State{
		UID: string(m.GetUID()), ResourceVersion: m.GetResourceVersion(), Generation: m.GetGeneration(),
		Sync: m.GetLabels()[v1alpha1.LabelSync], Commit: m.GetAnnotations()[v1alpha1.AnnotationCommit],
		Deleting: m.GetDeletionTimestamp() != nil,
	}
	_, s.Stamped = m.GetAnnotations()[v1alpha1.AnnotationBreakGlassRecord]
	d := digest{Hash: sha256.New()}
	var declared []byte // by our entry
	entries := m.GetManagedFields()
	_, whole := m.(*unstructured.Unstructured)
	for i := range entries {
		e := &entries[i]
		if whole {
			inOrder(e)
		}
		switch {
		case ours(e):
			declared, s.Held = fieldsOf(e), seconds(e)
			d.entry(e)
			continue
		case c.person(e):
			d.entry(e)
			s.People = s.People || !restartOnly(e)
		}
		if at := seconds(e); e.Subresource != "status" && (s.Manager == "" || at > s.Wrote) {
			s.Manager, s.Wrote = e.Manager, at
		}
	}
	d.declared("label", m.GetLabels(), declared)
	d.declared("annotation", m.GetAnnotations(), declared)
	if bytes.Contains(declared, []byte(`"f:finalizers"`)) {
		d.line("finalizers", m.GetFinalizers()...)
	}
	if bytes.Contains(declared, []byte(`"f:ownerReferences"`)) {
		for _, owner := range m.GetOwnerReferences() {
			d.line("owner", owner.Kind, owner.Name, string(owner.UID))
		}
	}
	d.Sum(s.Hold[:0])
	return s
}

// inOrder writes the fields of an entry as the API server does, by numbers as numbers:
// what was read as JSON has its keys in the order of their texts.
func inOrder(e *metav1.ManagedFieldsEntry) {
	set, err := setOf(e)
	if err != nil || e.FieldsV1 == nil {
		return
	}
	var all []fieldpath.Path
	set.Iterate(func(p fieldpath.Path) { all = append(all, p.Copy()) })
	_ = setFields(e, fieldpath.NewSet(all...)) // one that can't be written stays as it is
}

// restartOnly: the entry owns no more than what restarts a workload.
func restartOnly(e *metav1.ManagedFieldsEntry) bool {
	if !bytes.Contains(fieldsOf(e), []byte(`"f:kubectl.kubernetes.io/restartedAt"`)) {
		return false
	}
	set, err := setOf(e)
	if err != nil {
		return false
	}
	only := true
	set.Leaves().Iterate(func(p fieldpath.Path) { only = only && pathText(p) == restartPath })
	return only
}

const restartPath = `.spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]`

// ours: the entry of our server-side apply.
func ours(e *metav1.ManagedFieldsEntry) bool {
	return e.Manager == v1alpha1.FieldManager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
}

func fieldsOf(e *metav1.ManagedFieldsEntry) []byte {
	if e.FieldsV1 == nil {
		return nil
	}
	return e.FieldsV1.GetRawBytes()
}

func seconds(e *metav1.ManagedFieldsEntry) int64 {
	if e.Time == nil {
		return 0
	}
	return e.Time.Unix()
}

// digest is a hash of lines of words, each with its length.
type digest struct{ hash.Hash }

func (d digest) line(name string, words ...string) {
	var b []byte
	for _, w := range append([]string{name}, words...) {
		b = append(strconv.AppendInt(b, int64(len(w)), 10), ':')
		b = append(b, w...)
	}
	d.Write(append(b, '\n'))
}

func (d digest) entry(e *metav1.ManagedFieldsEntry) {
	d.line("entry", e.Manager, string(e.Operation), e.APIVersion, strconv.FormatInt(seconds(e), 10), string(fieldsOf(e)))
}

// declared writes the labels or annotations that we declared, and our own. Which we
// declared is asked of the text of our entry: a key that stands elsewhere in it is
// taken too, which is no harm. Others are not: controllers count their rollouts there.
func (d digest) declared(what string, values map[string]string, entry []byte) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if strings.HasPrefix(key, v1alpha1.Group+"/") || bytes.Contains(entry, []byte(`"f:`+key+`"`)) {
			d.line(what, key, values[key])
		}
	}
}
