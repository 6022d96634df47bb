package applier

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// prepared are the objects of the last render, and all that it rested on.
type prepared struct {
	basis   [sha256.Size]byte
	objects []live.Object
}

// render reads the folder from the commit's tree and decrypts it. One object that is
// wrong means that none is applied. What is prepared already is not rendered again,
// nor what waits for another sync.
func (r *run) render(ctx context.Context) error {
	options, err := r.renderOptions(ctx)
	if err != nil {
		return err
	}
	if r.basis, err = r.renderBasis(options); err != nil {
		return err
	}
	if r.state.prepared.basis == r.basis {
		r.objects = r.state.prepared.objects
		return nil
	}
	if r.state.claimed == r.basis {
		if err := r.depend(ctx); err != nil {
			return err
		}
	}
	tree, err := r.repository.Tree(r.revision.Commit)
	if err != nil {
		return failing(v1alpha1.SyncFetchFailed, err)
	}
	if r.folder, err = desired.Render(ctx, tree, options); err != nil {
		return r.renderFailure(err)
	}
	r.claims.claim(r.key, r.revision.Commit, keysOf(r.folder, r.defaultNamespace(r.folder)))
	r.state.claimed = r.basis
	return nil
}

// defaultNamespace is that of objects which name none: of the release, or of the sync.
func (r *run) defaultNamespace(set *desired.Set) string {
	if h := r.sync.Spec.Helm; set.Form == desired.FormHelm && h != nil {
		return cmp.Or(h.Namespace, r.key.Namespace)
	}
	return r.key.Namespace
}

func (r *run) renderOptions(ctx context.Context) (desired.Options, error) {
	o := folderOf(r.sync, r.kubeVersion)
	if r.sync.Spec.Decryption == nil {
		return o, nil
	}
	var err error
	o.Keys, err = r.keys(ctx, r.sync.Spec.Decryption.SecretRef.Name)
	return o, err
}

// folderOf says how the folder of a sync is rendered, but for its keys.
func folderOf(sync *v1alpha1.GitSync, kubeVersion string) desired.Options {
	o := desired.Options{Path: sync.Spec.Path, Helm: desired.Helm{
		ReleaseName: sync.Name, Namespace: sync.Namespace, KubeVersion: kubeVersion,
	}}
	if h := sync.Spec.Helm; h != nil {
		o.Helm = desired.Helm{
			ReleaseName: cmp.Or(h.ReleaseName, sync.Name), Namespace: cmp.Or(h.Namespace, sync.Namespace),
			ValuesFiles: h.ValuesFiles, KubeVersion: cmp.Or(h.KubeVersion, kubeVersion),
		}
	}
	return o
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
