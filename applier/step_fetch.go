package applier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
)

// fetched is what the remote said last, and what it was asked.
type fetched struct {
	at         time.Time
	generation int64
	requested  string
	revision   git.Revision
}

// fetch asks the remote what the ref names, and fetches it where it is new. A run that
// only looks again at what is in the cluster does not ask before the interval is over.
func (r *run) fetch(ctx context.Context) error {
	spec := &r.sync.Spec
	credentials, err := r.credentials(ctx)
	if err != nil {
		return err
	}
	if r.repository, err = r.repositories.Repository(spec.URL); err != nil {
		return fetchFailure(err)
	}
	if r.revision, err = r.resolve(ctx, credentials); err != nil {
		return fetchFailure(err)
	}
	if r.commit, err = r.repository.Commit(r.revision.Commit); err != nil {
		return failing(v1alpha1.SyncFetchFailed, err)
	}
	r.sync.Status.LastAttemptedCommit = r.revision.Commit
	r.log = r.log.WithValues("commit", r.revision.Commit)
	return nil
}

func (r *run) resolve(ctx context.Context, credentials git.Credentials) (git.Revision, error) {
	spec, s := &r.sync.Spec, r.state
	now := fetched{at: r.clock.Now(), generation: r.sync.Generation, requested: r.sync.Annotations[v1alpha1.AnnotationRequestedAt]}
	s.mu.Lock()
	woken := s.woken
	s.woken = false
	s.mu.Unlock()
	last := s.fetched
	if !woken && last.generation == now.generation && last.requested == now.requested && now.at.Sub(last.at) < r.interval() {
		return last.revision, nil
	}
	s.fetched = fetched{} // until it is known anew
	ref := git.Ref{Branch: spec.Ref.Branch, Tag: spec.Ref.Tag, Semver: spec.Ref.Semver, Commit: spec.Ref.Commit}
	var err error
	if now.revision, err = r.repository.Resolve(ctx, credentials, ref); err != nil {
		return git.Revision{}, err
	}
	if err = r.repository.Fetch(ctx, credentials, now.revision); err != nil {
		return git.Revision{}, err
	}
	s.fetched = now
	return now.revision, nil
}

func fetchFailure(err error) error {
	if errors.Is(err, git.ErrRefNotFound) {
		return failing(v1alpha1.SyncRefNotFound, err)
	}
	return failing(v1alpha1.SyncFetchFailed, err)
}

// rewritten says that the commit which was applied last is not among the ancestors
// of the one that is to be applied: the branch was force-pushed. Following a tag
// or a commit says nothing of the kind.
func (r *run) rewritten(ctx context.Context) (bool, error) {
	last, ref := r.sync.Status.LastAppliedCommit, &r.sync.Spec.Ref
	if last == "" || last == r.revision.Commit || ref.Tag != "" || ref.Semver != "" || ref.Commit != "" {
		return false, nil
	}
	descends, err := r.repository.IsAncestor(ctx, last, r.revision.Commit)
	if err != nil {
		return false, failing(v1alpha1.SyncFetchFailed, fmt.Errorf("looking whether %s follows %s: %w", short(r.revision.Commit), short(last), err))
	}
	return !descends, nil
}

// short is a hash as people write it.
func short(hash string) string { return hash[:min(len(hash), 7)] }
