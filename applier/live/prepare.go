package live

import (
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

// Preparation says for which sync objects are prepared.
type Preparation struct {
	// Mark of the sync, see [v1alpha1.SyncLabel].
	Mark string
	// Namespace of namespaced objects that name none. Left out: "default".
	Namespace string
	// Repository and Ref are where the files are, for the annotation of the source. Left
	// out: it names the file alone.
	Repository, Ref string
	// Ignore rules of the sync.
	Ignore []v1alpha1.IgnoreRule
}

// Prepare makes declared objects ready to be applied: scope and namespace, the marks of
// the sync, and nothing that only a live object has. All that is wrong is told at once,
// as [desired.Error] with the file; other errors mean that the API server could not be
// asked. The input is left as it is.
func (c *Cluster) Prepare(objects []desired.Object, p Preparation) ([]Object, error) {
	rules, err := readIgnore(p.Ignore)
	if err != nil {
		return nil, err
	}
	if p.Namespace == "" {
		p.Namespace = "default"
	}
	scopes := scopes{cluster: c, declared: declaredScopes(objects), asked: map[schema.GroupVersionKind]scopeOrError{}}
	prepared := make([]Object, 0, len(objects))
	sources := make(map[Key]string, len(objects))
	var errs []error
	for i := range objects {
		o, err := scopes.prepare(&objects[i], p, rules)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if first, twice := sources[o.Key]; twice {
			errs = append(errs, refuse(&objects[i], desired.ReasonDuplicate, fmt.Errorf("with its default namespace it is %s, which %s declares too", o.Key, first)))
			continue
		}
		sources[o.Key] = o.Source
		prepared = append(prepared, o)
	}
	return prepared, errors.Join(errs...)
}

func refuse(d *desired.Object, reason desired.Reason, err error) error {
	gvk := d.GroupVersionKind()
	key := Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: d.GetNamespace(), Name: d.GetName()}
	return &desired.Error{Reason: reason, File: d.Source, Object: key.String(), Err: err}
}

func (s *scopes) prepare(d *desired.Object, p Preparation, rules []ignoreRule) (Object, error) {
	gvk := d.GroupVersionKind()
	if d.GetName() == "" {
		return Object{}, refuse(d, desired.ReasonDocument, errors.New("it has no name; generateName can't be declared"))
	}
	namespaced, err := s.namespaced(gvk)
	switch {
	case unserved(err):
		return Object{}, refuse(d, desired.ReasonDocument, fmt.Errorf("the cluster does not serve %s in version %s, and no CustomResourceDefinition of the sync declares it", groupKind(gvk), gvk.Version))
	case err != nil:
		return Object{}, fmt.Errorf("preparing %s %s (%s): %w", groupKind(gvk), d.GetName(), d.Source, err)
	case !namespaced && d.GetNamespace() != "":
		return Object{}, refuse(d, desired.ReasonDocument, fmt.Errorf("%s is cluster-scoped: it can't be in namespace %q", groupKind(gvk), d.GetNamespace()))
	}
	o := Object{
		Ref:    Ref{Key: Key{gvk.Group, gvk.Kind, d.GetNamespace(), d.GetName()}, Version: gvk.Version},
		Source: d.Source, Sync: p.Mark, Stage: desired.Stage(gvk.Group, gvk.Kind),
		KeepsData: d.GetAnnotations()[v1alpha1.AnnotationPrune] == "disabled",
		Secret:    d.Decrypted || isSecret(gvk.Group, gvk.Kind),
	}
	if namespaced && o.Namespace == "" {
		o.Namespace = p.Namespace
	}
	o.ignored = ignored(rules, o.Key)
	content, err := o.clean(d.Object, p)
	if err != nil {
		return Object{}, refuse(d, desired.ReasonDocument, err)
	}
	return o, o.seal(content)
}

func groupKind(gvk schema.GroupVersionKind) string {
	if gvk.Group == "" {
		return gvk.Kind
	}
	return gvk.Group + "/" + gvk.Kind
}

func isSecret(group, kind string) bool { return group == "" && kind == "Secret" }

// clean returns the object with our marks and without what only a live one has.
func (o *Object) clean(declared map[string]any, p Preparation) (map[string]any, error) {
	content := maps.Clone(declared)
	delete(content, "status")
	meta, _ := content["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	for _, name := range []string{"managedFields", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "uid", "generation", "selfLink", "generateName"} {
		delete(meta, name)
	}
	content["metadata"] = meta
	if o.Namespace != "" {
		meta["namespace"] = o.Namespace
	}
	annotations, err := texts(meta, "annotations")
	if err != nil {
		return nil, err
	}
	delete(annotations, v1alpha1.AnnotationCommit)
	annotations[v1alpha1.AnnotationSource] = v1alpha1.Source(p.Repository, o.Source, p.Ref)
	labels, err := texts(meta, "labels")
	if err != nil {
		return nil, err
	}
	delete(labels, v1alpha1.LabelSync)
	if o.Sync != "" {
		labels[v1alpha1.LabelSync] = o.Sync
	}
	if len(labels) == 0 {
		delete(meta, "labels")
	}
	if isSecret(o.Group, o.Kind) {
		return content, encodeStrings(content)
	}
	return content, nil
}

// texts replaces labels or annotations with a copy that may be changed.
func texts(meta map[string]any, name string) (map[string]any, error) {
	out := map[string]any{}
	switch values := meta[name].(type) {
	case nil:
	case map[string]any:
		for key, v := range values {
			if _, ok := v.(string); !ok {
				return nil, fmt.Errorf("metadata.%s[%q] is no text: quote it", name, key)
			}
			out[key] = v
		}
	default:
		return nil, fmt.Errorf("metadata.%s is no map", name)
	}
	meta[name] = out
	return out, nil
}
