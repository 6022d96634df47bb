package applier

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/live"
)

// moved is what other syncs of the same repository declare at this very commit,
// although they have not come to it yet: what left this sync may have moved there, in
// one commit. It is found by rendering their folders, encrypted values left as they
// are, so that nobody waits for anybody. What can't be told is an error, and nothing is
// pruned.
func (r *run) moved(ctx context.Context) (map[live.Key]bool, error) {
	all := &v1alpha1.GitSyncList{}
	if err := r.client.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing GitSyncs: %w", err)
	}
	moved := map[live.Key]bool{}
	for i := range all.Items {
		other := &all.Items[i]
		key := client.ObjectKeyFromObject(other)
		if key == r.key || !other.DeletionTimestamp.IsZero() || sameRepository(other.Spec.URL) != sameRepository(r.sync.Spec.URL) ||
			r.claims.at(key, r.revision.Commit) || !r.follows(other) {
			continue
		}
		keys, err := r.declaredBy(ctx, other)
		if err != nil {
			return nil, fmt.Errorf("pruning waits for GitSync %s, to which what left this one may have moved at %s: %w", key, short(r.revision.Commit), err)
		}
		for k := range keys {
			moved[k] = true
		}
	}
	return moved, nil
}

// follows says whether another sync of the repository will come to this commit, as far
// as is known here.
func (r *run) follows(other *v1alpha1.GitSync) bool {
	ref := other.Spec.Ref
	revision, err := r.repository.Local(git.Ref{Branch: ref.Branch, Tag: ref.Tag, Semver: ref.Semver, Commit: ref.Commit})
	return ref == r.sync.Spec.Ref || err == nil && revision.Commit == r.revision.Commit
}

// declaredBy renders the folder of another sync at this run's commit.
func (r *run) declaredBy(ctx context.Context, other *v1alpha1.GitSync) (map[live.Key]bool, error) {
	tree, err := r.repository.Tree(r.revision.Commit)
	if err != nil {
		return nil, err
	}
	o := folderOf(other, r.kubeVersion)
	o.Encrypted = true
	set, err := desired.Render(ctx, tree, o)
	if err != nil {
		return nil, err
	}
	return keysOf(set, cmp.Or(o.Helm.Namespace, other.Namespace)), nil
}

// sameRepository is the part of a URL that tells repositories apart.
func sameRepository(url string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(url), "/"), ".git")
}
