package signals

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// syncStates is where each sync stands.
func (f *found) syncStates() []Sync {
	out := []Sync{}
	for i := range f.syncs {
		s := &f.syncs[i]
		row := Sync{
			Namespace: s.Namespace, Name: s.Name, State: stateOf(s), Commit: s.Status.LastAppliedCommit, Objects: len(entries(s)),
		}
		if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); c != nil {
			row.Reason, row.Message = c.Reason, c.Message
		}
		out = append(out, row)
	}
	return out
}

// stateOf a sync. What a status says of an older generation, it does not say of this one.
func stateOf(s *v1alpha1.GitSync) string {
	ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case s.Spec.Suspend:
		return SyncSuspended
	case ready == nil || s.Status.ObservedGeneration < s.Generation || ready.Status == metav1.ConditionUnknown:
		return SyncProgressing
	case ready.Status == metav1.ConditionTrue:
		return SyncInSync
	case ready.Reason == v1alpha1.SyncDrifted:
		return SyncDrifted
	}
	return SyncFailing
}

// matchesGit: does the repository match reality? An object of a sync that is suspended,
// failing or on its way is unknown; one is drifted while a record says that it may
// differ.
func (f *found) matchesGit() Signal {
	s := Signal{Name: MatchesGit, Question: "Does the repository match reality?", Unit: "percent of declared objects in sync", Verdict: Unknown}
	if !f.known[listSyncs] {
		return s.lacking(listSyncs)
	}
	if len(f.syncs) == 0 {
		s.Summary = "no GitSync declares anything"
		s.Advice = "Flux and Argo CD tell of their own: flux get kustomizations, argocd app list; or apply with a GitSync"
		return s
	}
	total, unknown, failing := 0, 0, 0
	for _, row := range f.syncStates() {
		total += row.Objects
		switch row.State {
		case SyncInSync, SyncDrifted:
			continue
		case SyncFailing:
			failing++
		}
		unknown += row.Objects
		s.evidence("%s/%s is %s, so %s may be as git says or not: %s", row.Namespace, row.Name, row.State, plural(row.Objects, "object", "objects"), orElse(row.Message, "it has said nothing yet"))
	}
	if !f.known[listRecords] {
		s.Summary = "what has drifted is on record, and the records may not be read"
		return s.needs(listRecords)
	}
	drifted := min(len(f.records.differs), total-unknown)
	if drifted > 0 {
		s.evidence("%s may differ, by records that nothing has resolved: kubectl gitlatch records list", plural(drifted, "object", "objects"))
	}
	inSync := total - unknown - drifted
	share := percent(inSync, total)
	s.Number = &share
	s.Figures = map[string]float64{"inSync": float64(inSync), "drifted": float64(drifted), "unknown": float64(unknown), "syncs": float64(len(f.syncs)), "failing": float64(failing)}
	s.Summary = fmt.Sprintf("%d of %s in sync, %d drifted, %d unknown", inSync, plural(total, "object", "objects"), drifted, unknown)
	switch {
	case failing > 0:
		s.Verdict, s.Advice = Bad, "mend what the failing syncs say: kubectl get gitsyncs --all-namespaces"
	case total > 0 && percent(drifted, total) >= driftedBad:
		s.Verdict, s.Advice = Bad, "correct the drift (spec.drift: Correct), or commit what is right"
	case drifted+unknown > 0:
		s.Verdict, s.Advice = Attention, "resume what is suspended, and review what has drifted: kubectl gitlatch records list"
	default:
		s.Verdict = Good
	}
	return s
}

func (s *Signal) evidence(format string, args ...any) {
	s.Evidence = append(s.Evidence, fmt.Sprintf(format, args...))
}

// lacking is the answer that a missing right leaves.
func (s Signal) lacking(right string) Signal {
	s.Verdict, s.Summary = Unknown, "not to be read with your rights"
	return s.needs(right)
}

func (s Signal) needs(right string) Signal {
	s.evidence("missing: %s", right)
	s.Advice = "ask for the right to " + right + ": ClusterRole gitlatch-viewer reads Gitlatch's kinds, view most of the rest"
	return s
}

// percent of nothing is all of it.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(part) / float64(whole)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
