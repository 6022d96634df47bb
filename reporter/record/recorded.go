package record

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// recorded finds the record that the mutating call of the same request wrote,
// here or on another replica; nil says that there is none.
func (w *Writer) recorded(ctx context.Context, e *Entry) (*v1alpha1.ChangeRecord, error) {
	if t := w.remembered(e); t != nil {
		rec, err := w.join(ctx, t, e)
		if err == nil {
			w.Metrics.record(e.Spec.Outcome, resultCoalesced)
			return rec, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
	}
	rec, err := w.search(ctx, e)
	if err != nil {
		w.Metrics.record(e.Spec.Outcome, resultFailed)
		return nil, fmt.Errorf("looking for the record of the mutating call: %w", err)
	}
	if rec != nil {
		w.Metrics.record(e.Spec.Outcome, resultCoalesced)
		w.adoptFound(rec)
	}
	return rec, nil
}

// remembered asks this replica's memory, and completes a generated name.
func (w *Writer) remembered(e *Entry) *attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Clock.Now()
	if t := w.attempts.final(e, now); t != nil {
		return t
	}
	if e.GenerateName == "" {
		return nil
	}
	t := w.attempts.claim(e, now)
	if t != nil {
		t.realName = cut(e.Spec.Request.Name, maxName)
		w.attempts.remember(e, t, "") // the call may come again
	}
	if t != nil && t.slot != nil {
		t.slot.realName = t.realName
		w.slots[t.slot.id] = t.slot
		w.nudge()
	}
	return t
}

// search asks the API server for what another replica wrote a moment ago.
func (w *Writer) search(ctx context.Context, e *Entry) (*v1alpha1.ChangeRecord, error) {
	found, err := w.younger(ctx, e.act())
	if err != nil {
		return nil, err
	}
	mine := build("", e)
	for i := range found {
		there := &found[i]
		if sameAct(there, mine) && sameRuling(there, mine) && covers(there, mine) && goesFor(there, e, found) {
			return there.DeepCopy(), nil
		}
	}
	if e.GenerateName == "" {
		return nil, nil
	}
	if found, err = w.younger(ctx, e.generatedAct()); err != nil {
		return nil, err
	}
	for i := range found {
		if !sameRuling(&found[i], mine) {
			continue
		}
		if rec, err := w.claim(ctx, found[i].DeepCopy(), mine.Spec.Request.Name); rec != nil || err != nil {
			return rec, err
		}
	}
	return nil, nil
}

// younger lists the records of an act that are young enough to be of the same
// request, oldest first. Who asks at the same time shares them, and changes none.
func (w *Writer) younger(ctx context.Context, act string) ([]v1alpha1.ChangeRecord, error) {
	return w.acts.get(ctx, act, func(ctx context.Context) ([]v1alpha1.ChangeRecord, error) { return w.listYounger(ctx, act) })
}

func (w *Writer) listYounger(ctx context.Context, act string) ([]v1alpha1.ChangeRecord, error) {
	var list v1alpha1.ChangeRecordList
	if err := w.Store.List(ctx, &list, client.MatchingLabels{labelAttempt: act}); err != nil {
		return nil, err
	}
	now := w.Clock.Now()
	young := slices.DeleteFunc(list.Items, func(rec v1alpha1.ChangeRecord) bool {
		return rec.Spec.Folded || now.Sub(Seen(&rec)) > finalGap
	})
	slices.SortStableFunc(young, func(a, b v1alpha1.ChangeRecord) int { return Seen(&a).Compare(Seen(&b)) })
	return young, nil
}

// claim writes the generated name into a record that has none. Of two replicas
// that try, one gets it; nil says that it was the other.
func (w *Writer) claim(ctx context.Context, rec *v1alpha1.ChangeRecord, name string) (*v1alpha1.ChangeRecord, error) {
	mine := false
	rec, err := patchStatus(ctx, w.Store, rec.Name, rec, func(rec *v1alpha1.ChangeRecord) bool {
		mine = rec.Status.Name == ""
		if mine {
			rec.Status.Name = name
		}
		return mine
	})
	switch {
	case err != nil && gone(err):
		return nil, nil
	case err != nil:
		return nil, err
	case !mine:
		return nil, nil
	}
	return rec, nil
}

// sameAct compares who did what to what, and by which manager, in full: a name is only a
// hash. A request that is admitted again comes from the manager that it came from.
func sameAct(a, b *v1alpha1.ChangeRecord) bool {
	p, q := a.Spec, b.Spec
	return p.Outcome == q.Outcome &&
		p.Requester.Username == q.Requester.Username && p.Requester.UID == q.Requester.UID &&
		p.Request.Operation == q.Request.Operation && p.Request.Group == q.Request.Group &&
		p.Request.Resource == q.Request.Resource && p.Request.Subresource == q.Request.Subresource &&
		p.Request.Namespace == q.Request.Namespace && p.Request.Name == q.Request.Name &&
		p.Request.FieldManager == q.Request.FieldManager &&
		targetUID(a) == targetUID(b)
}

// sameRuling compares what was decided.
func sameRuling(a, b *v1alpha1.ChangeRecord) bool {
	return a.Spec.Class == b.Spec.Class && a.Spec.Reason == b.Spec.Reason && a.Spec.Policy == b.Spec.Policy
}

// sameChanges compares where the attempts lead. The old values may differ: the
// object moved on between two tries.
func sameChanges(a, b *v1alpha1.ChangeRecord) bool {
	return !incomplete(a) && !incomplete(b) && len(changeSet(a)) == len(changeSet(b)) && within(a, b)
}

// covers tells whether a, from a mutating call, is of the same request as b,
// from a validating one: other webhooks may have added changes in between.
func covers(a, b *v1alpha1.ChangeRecord) bool {
	if version(a) != version(b) {
		return sameChanges(a, b)
	}
	return incomplete(a) || incomplete(b) || within(a, b)
}

// within tells whether a's changes are among those of b.
func within(a, b *v1alpha1.ChangeRecord) bool {
	have := changeSet(b)
	for key := range changeSet(a) {
		if _, ok := have[key]; !ok {
			return false
		}
	}
	return true
}

func changeSet(rec *v1alpha1.ChangeRecord) map[[2]string]struct{} {
	set := map[[2]string]struct{}{}
	for _, c := range rec.Spec.Changes {
		if !ownMark(c.Path) {
			set[[2]string{c.Path, c.To}] = struct{}{}
		}
	}
	return set
}

// incomplete tells that the record does not show all of what was asked for.
func incomplete(rec *v1alpha1.ChangeRecord) bool {
	if rec.Spec.ChangesOmitted > 0 {
		return true
	}
	for _, c := range rec.Spec.Changes {
		if strings.Contains(c.To, redacted) || strings.HasSuffix(c.To, ellipsis) || strings.HasSuffix(c.Path, ellipsis) {
			return true
		}
	}
	return false
}

func targetUID(rec *v1alpha1.ChangeRecord) types.UID {
	if rec.Spec.Target == nil {
		return ""
	}
	return rec.Spec.Target.UID
}

func version(rec *v1alpha1.ChangeRecord) string {
	if rec.Spec.Target == nil {
		return ""
	}
	return rec.Spec.Target.ResourceVersion
}

// undecided tells that the attempt may still be under way.
func undecided(rec *v1alpha1.ChangeRecord) bool {
	return rec.Status.Phase == "" || rec.Status.Phase == v1alpha1.PhaseAdmitted
}
