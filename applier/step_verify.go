package applier

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
)

// judgement is the last verdict, and all that it rested on: it holds while that stays.
type judgement struct {
	basis    [sha256.Size]byte
	verified git.Verified
}

// verify asks who stands for the commit. The trust roots come from the cluster, and
// a commit that is applied already is judged again when they change.
func (r *run) verify(ctx context.Context) error {
	spec := r.sync.Spec.Verify
	if spec == nil {
		return nil
	}
	demand, err := r.demand(ctx, spec)
	if err != nil {
		return err
	}
	basis := demandBasis(demand)
	if r.state.judgement.basis == basis {
		r.verified = r.state.judgement.verified
		return nil
	}
	verified, err := r.repository.Verify(ctx, demand)
	if err != nil {
		var verdict *git.UnverifiedError
		if errors.As(err, &verdict) {
			return stalled(v1alpha1.SyncUnverified, fmt.Errorf("%w; %s", err, r.keeping()))
		}
		return failing(v1alpha1.SyncUnverified, fmt.Errorf("judging the signatures of %s: %w", short(r.revision.Commit), err))
	}
	r.state.judgement = judgement{basis: basis, verified: verified}
	r.verified = verified
	return nil
}

func (r *run) demand(ctx context.Context, spec *v1alpha1.Verification) (git.Demand, error) {
	trust, err := r.trust(ctx, spec.AllowedSigners.Name)
	if err != nil {
		return git.Demand{}, err
	}
	d := git.Demand{Trust: trust, Commit: r.revision.Commit, MinReviewers: int(spec.MinReviewers)}
	// The commit that is applied is judged by itself: there is no range before it.
	if last := r.sync.Status.LastAppliedCommit; spec.Mode == v1alpha1.VerifyRange && last != r.revision.Commit {
		d.Range, d.Since = true, last
	}
	return d, nil
}

// demandBasis is a digest of a demand.
func demandBasis(d git.Demand) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%t\x00%s\x00%d", d.Commit, d.Range, d.Since, d.MinReviewers)
	for _, files := range []map[string][]byte{d.Trust.AllowedSigners, d.Trust.Keyrings} {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(h, "\x00%s\x00%d\x00%s", name, len(files[name]), files[name])
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// keeping says what stands while a commit does not pass: the one before, or the same
// one, where what it is judged by has changed since.
func (r *run) keeping() string {
	if last := r.sync.Status.LastAppliedCommit; last != "" {
		return "keeping " + short(last)
	}
	return "nothing was applied"
}
