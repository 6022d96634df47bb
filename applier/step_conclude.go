package applier

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// maxHistory is how many applied commits a status lists; the CRD says the same.
const maxHistory = 10

// conclude moves the revision: everything that it declares is applied, what left it
// is gone.
func (r *run) conclude(ctx context.Context) error {
	rewritten, err := r.rewritten(ctx)
	if err != nil {
		return err
	}
	entries := map[string]v1alpha1.InventoryEntry{}
	for i := range r.objects {
		e := r.objects[i].Entry()
		entries[e.ID] = e
	}
	for _, ref := range r.stale { // in a break-glass window, or not gone yet
		e := ref.Entry()
		entries[e.ID] = e
	}
	r.setInventory(entries)
	status := &r.sync.Status
	status.LastAppliedGeneration = r.sync.Generation
	last := status.LastAppliedCommit
	if last != r.revision.Commit {
		if rewritten {
			if err := r.records.rewritten(ctx, r.sync, last, r.revision.Commit); err != nil {
				return failing(v1alpha1.SyncApplyFailed, fmt.Errorf("recording that history was rewritten: %w", err))
			}
		}
		status.History = append([]v1alpha1.AppliedCommit{r.appliedCommit(rewritten)}, status.History...)
		status.History = status.History[:min(len(status.History), maxHistory)]
		status.LastAppliedCommit = r.revision.Commit
		r.announce(rewritten, last)
	}
	return nil
}

func (r *run) appliedCommit(rewritten bool) v1alpha1.AppliedCommit {
	return v1alpha1.AppliedCommit{
		Commit: r.revision.Commit, Subject: r.commit.Subject,
		Author: strings.TrimSpace(r.commit.Author.Name + " <" + r.commit.Author.Email + ">"),
		Signer: r.verified.Signer, Reviewers: r.verified.Reviewers,
		Rewritten: rewritten, At: metav1.NewTime(r.clock.Now()),
	}
}

func (r *run) announce(rewritten bool, last string) {
	t := &r.tally
	text := fmt.Sprintf("applied %s: %d created, %d changed, %d unchanged, %d pruned",
		r.revisionName(), t.created, t.configured+t.recreated, t.unchanged, t.pruned)
	r.events.normal(r.sync, v1alpha1.SyncApplied, "Sync", text)
	if rewritten {
		r.events.warning(r.sync, "HistoryRewritten", "Sync",
			fmt.Sprintf("%s is not among the ancestors of %s: the branch was force-pushed", short(last), short(r.revision.Commit)))
	}
	r.log.Info("applied a commit", "created", t.created, "changed", t.configured, "recreated", t.recreated,
		"unchanged", t.unchanged, "pruned", t.pruned, "held", t.held, "rewritten", rewritten)
}

// health looks at what was applied, as far as its own status says how it is. While
// nothing moves it is not asked again.
func (r *run) health(ctx context.Context) error {
	activity := r.state.keeper.activity()
	if r.state.healthy && r.state.healthAt == activity && r.saved.Status.LastAppliedCommit == r.sync.Status.LastAppliedCommit {
		return nil
	}
	refs := make([]live.Ref, len(r.objects))
	for i := range r.objects {
		refs[i] = r.objects[i].Ref
	}
	unhealthy, err := r.cluster.Health(ctx, refs)
	if err != nil {
		r.setHealth(metav1.ConditionUnknown, v1alpha1.SyncHealthUnknown, "looking at the objects: "+err.Error())
		r.state.healthy = false
		return nil
	}
	r.state.healthAt, r.state.healthy = activity, len(unhealthy) == 0
	if len(unhealthy) == 0 {
		r.setHealth(metav1.ConditionTrue, v1alpha1.SyncHealthy, fmt.Sprintf("%d objects are as their kinds say they should be", len(r.objects)))
		return nil
	}
	text := fmt.Sprintf("%s: %s", unhealthy[0].Ref, unhealthy[0].Message)
	if more := len(unhealthy) - 1; more > 0 {
		text += " (" + others(more) + ")"
	}
	r.setHealth(metav1.ConditionFalse, v1alpha1.SyncUnhealthy, text)
	return nil
}
