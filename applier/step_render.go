package applier

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// rendered is the last render, and all that it rested on.
type rendered struct {
	basis   [sha256.Size]byte
	objects []live.Object
}

// render reads the folder from the commit's tree, decrypts it and turns it into
// objects. One that is wrong means that none is applied. The same commit is not
// rendered twice.
func (r *run) render(ctx context.Context) error {
	options, err := r.renderOptions(ctx)
	if err != nil {
		return err
	}
	basis, err := r.renderBasis(options)
	if err != nil {
		return err
	}
	if r.state.rendered.basis == basis {
		r.objects = r.state.rendered.objects
		return nil
	}
	tree, err := r.repository.Tree(r.revision.Commit)
	if err != nil {
		return failing(v1alpha1.SyncFetchFailed, err)
	}
	set, err := desired.Render(ctx, tree, options)
	if err != nil {
		return r.renderFailure(err)
	}
	namespace := r.key.Namespace // of objects that name none
	if set.Form == desired.FormHelm {
		namespace = options.Helm.Namespace
	}
	objects, err := r.cluster.Prepare(set.Objects, live.Preparation{
		Mark: v1alpha1.SyncLabel(r.key.Namespace, r.key.Name), Namespace: namespace, Ignore: r.sync.Spec.Ignore,
		Repository: r.sync.Spec.URL, Ref: refName(&r.sync.Spec.Ref),
	})
	if err != nil {
		// A kind that the API server does not know may come with another sync, so this is
		// tried again.
		return &failure{reason: v1alpha1.SyncInvalid, err: fmt.Errorf("%w; %s", err, r.keeping())}
	}
	r.objects = objects
	r.state.rendered = rendered{basis: basis, objects: objects}
	return nil
}

func (r *run) renderOptions(ctx context.Context) (desired.Options, error) {
	spec := &r.sync.Spec
	o := desired.Options{Path: spec.Path, Helm: desired.Helm{ReleaseName: r.sync.Name, Namespace: r.sync.Namespace}}
	if h := spec.Helm; h != nil {
		o.Helm.ValuesFiles = h.ValuesFiles
		o.Helm.KubeVersion = h.KubeVersion
		o.Helm.ReleaseName = cmp.Or(h.ReleaseName, r.sync.Name)
		o.Helm.Namespace = cmp.Or(h.Namespace, r.sync.Namespace)
	}
	if o.Helm.KubeVersion == "" {
		o.Helm.KubeVersion = r.kubeVersion
	}
	if spec.Decryption == nil {
		return o, nil
	}
	var err error
	o.Keys, err = r.keys(ctx, spec.Decryption.SecretRef.Name)
	return o, err
}

// renderBasis is a digest of everything that a render depends on.
func (r *run) renderBasis(o desired.Options) ([sha256.Size]byte, error) {
	basis, err := json.Marshal(struct {
		Commit, Identity string
		Options          desired.Options
		Source           string
		Ignore           []v1alpha1.IgnoreRule
	}{r.revision.Commit, r.state.identity, o, v1alpha1.Source(r.sync.Spec.URL, "", refName(&r.sync.Spec.Ref)), r.sync.Spec.Ignore})
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digesting the render's options: %w", err)
	}
	return sha256.Sum256(basis), nil
}

func (r *run) renderFailure(err error) error {
	reason := string(desired.ReasonRender)
	var e *desired.Error
	if errors.As(err, &e) {
		reason = string(e.Reason)
	}
	err = fmt.Errorf("%w; %s", err, r.keeping())
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return failing(reason, err)
	}
	return stalled(reason, err)
}

// refName is what the spec follows, as people write it; "" is the remote's HEAD.
func refName(ref *v1alpha1.GitRef) string {
	return cmp.Or(ref.Branch, ref.Tag, ref.Semver, ref.Commit)
}

// prepare refuses what would empty the cluster by mistake: a repository that was
// read by half, a path that was moved.
func (r *run) prepare(context.Context) error {
	before, err := entriesOf(r.sync.Status.Inventory)
	if err != nil {
		return stalled(v1alpha1.SyncInvalid, err)
	}
	declared := make(map[live.Key]bool, len(r.objects))
	namespaces := 0
	for i := range r.objects {
		declared[r.objects[i].Key] = true
		if isNamespace(r.objects[i].Key) {
			namespaces++
		}
	}
	lost := 0
	r.stale = r.stale[:0]
	for _, ref := range before {
		if declared[ref.Key] {
			continue
		}
		r.stale = append(r.stale, ref)
		if isNamespace(ref.Key) {
			lost++
		}
	}
	if r.sync.Annotations[v1alpha1.AnnotationAllowEmpty] == "true" {
		return nil
	}
	insist := fmt.Sprintf("to insist, annotate the sync %s=true; %s", v1alpha1.AnnotationAllowEmpty, r.keeping())
	switch {
	case len(r.objects) == 0 && len(before) > 0:
		return stalled(v1alpha1.SyncWouldEmpty, fmt.Errorf("%s declares nothing at %s, and %d objects would be deleted: %s",
			pathOf(r.sync), short(r.revision.Commit), len(before), insist))
	case lost > 0 && namespaces == 0 && r.pruning():
		return stalled(v1alpha1.SyncWouldEmpty, fmt.Errorf("%s declares no namespace any more at %s, and all %d would be deleted: %s",
			pathOf(r.sync), short(r.revision.Commit), lost, insist))
	}
	return nil
}

func isNamespace(k live.Key) bool { return k.Group == "" && k.Kind == "Namespace" }

func pathOf(sync *v1alpha1.GitSync) string { return cmp.Or(sync.Spec.Path, "the repository's root") }

// pruning: what left git is deleted.
func (r *run) pruning() bool { return r.sync.Spec.Prune == nil || *r.sync.Spec.Prune }

// progressEvery is how often a long run says how far it is.
const progressEvery = 5 * time.Second
