package applier

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
)

// guardTimeout bounds the way back to the commit that was applied last.
const guardTimeout = time.Minute

// guard keeps what was applied last when a newer commit fails before anything of it is
// applied, and nobody keeps it yet: after a restart, or after a suspension. Nothing is
// applied here but what drifted. What prevents it is added to the failure.
func (r *run) guard(ctx context.Context, why error) error {
	status := &r.sync.Status
	if r.cluster == nil || status.LastAppliedCommit == "" || status.LastAppliedGeneration != r.sync.Generation || r.state.keeper.alive() {
		return why
	}
	ctx, cancel := context.WithTimeout(ctx, guardTimeout)
	defer cancel()
	if err := r.declareLast(ctx, status.LastAppliedCommit); err != nil {
		f := r.explain(ctx, "guard", why)
		return &failure{reason: f.reason, stalled: f.stalled, retry: f.retry,
			err: fmt.Errorf("%w; what %s declares is not guarded: %w", f.err, short(status.LastAppliedCommit), err)}
	}
	return why
}

func (r *run) declareLast(ctx context.Context, last string) error {
	credentials, err := r.credentials(ctx)
	if err != nil {
		credentials = git.Credentials{} // what is on disk needs none
	}
	repository, err := r.repositories.Repository(r.sync.Spec.URL)
	if err != nil {
		return err
	}
	if err := repository.Fetch(ctx, credentials, git.Revision{Commit: last}); err != nil {
		return err
	}
	commit, err := repository.Commit(last)
	if err != nil {
		return err
	}
	options, err := r.renderOptions(ctx)
	if err != nil {
		return err
	}
	tree, err := repository.Tree(last)
	if err != nil {
		return err
	}
	if r.folder, err = desired.Render(ctx, tree, options); err != nil {
		return err
	}
	objects, err := r.cluster.Prepare(r.folder.Objects, r.preparation())
	r.folder = nil
	if err != nil {
		return err
	}
	r.state.keeper.declare(r.cluster, last+" "+strconv.Quote(commit.Subject), objects)
	return nil
}

// alive says that the keeper watches what was declared.
func (k *keeper) alive() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.life != nil
}
