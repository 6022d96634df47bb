package applier

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// maxMessage is how much of an error a condition holds, in bytes; the API server
// takes 32 KiB, and a table shows a line.
const maxMessage = 1024

// conclusion turns the end of a run into conditions. Reconciling and Stalled are
// there only while they are true, as kstatus wants it.
func (r *run) conclusion(err error) {
	r.sync.Status.ObservedGeneration = r.sync.Generation
	if err == nil {
		r.drop(v1alpha1.ConditionStalled)
		if drifted := r.state.keeper.drifted(); len(drifted) > 0 {
			r.drop(v1alpha1.ConditionReconciling)
			r.set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.SyncDrifted,
				fmt.Sprintf("%d objects differ from %s and spec.drift is Report: %s", len(drifted), r.revisionName(), drifted[0]))
			return
		}
		r.drop(v1alpha1.ConditionReconciling)
		if blind := r.state.keeper.blind(); len(blind) > 0 {
			r.set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.SyncForbidden, oneLine(fmt.Sprintf(
				"applied %s, but drift of %s is corrected by each run only, since it can't be watched: %v", r.revisionName(), blind[0].what, blind[0].err)))
			return
		}
		text := fmt.Sprintf("applied %s: %d objects", r.revisionName(), len(r.objects))
		if r.tally.held > 0 {
			text += fmt.Sprintf(", of which %d are left alone in a break-glass window", r.tally.held)
		}
		r.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.SyncApplied, text)
		return
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{reason: v1alpha1.SyncApplyFailed, err: err}
	}
	message := oneLine(f.Error())
	was := meta.FindStatusCondition(r.saved.Status.Conditions, v1alpha1.ConditionReady)
	if was == nil || was.Reason != f.reason || was.Message != message {
		r.events.warning(r.sync, f.reason, "Sync", message)
		r.log.Info("a sync does not succeed", "reason", f.reason, "error", message)
	}
	r.set(v1alpha1.ConditionReady, metav1.ConditionFalse, f.reason, message)
	if f.stalled {
		r.drop(v1alpha1.ConditionReconciling)
		r.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, f.reason, message)
		return
	}
	r.drop(v1alpha1.ConditionStalled)
	r.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.SyncRetrying, message)
}

// progress says that a run is on its way.
func (r *run) progress(text string) {
	r.drop(v1alpha1.ConditionStalled)
	r.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.SyncProgressing, text)
	if c := meta.FindStatusCondition(r.sync.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Status != metav1.ConditionTrue ||
		r.sync.Status.LastAppliedCommit != r.revision.Commit {
		r.set(v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.SyncProgressing, text)
	}
}

// suspended takes back that something is going on.
func (r *run) suspended() {
	r.sync.Status.ObservedGeneration = r.sync.Generation
	r.drop(v1alpha1.ConditionReconciling)
}

func (r *run) setHealth(status metav1.ConditionStatus, reason, message string) {
	r.set(v1alpha1.ConditionHealthy, status, reason, oneLine(message))
}

func (r *run) set(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&r.sync.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: r.sync.Generation, LastTransitionTime: metav1.NewTime(r.clock.Now()),
	})
}

func (r *run) drop(kind string) { meta.RemoveStatusCondition(&r.sync.Status.Conditions, kind) }

// oneLine fits an error into a condition. What stood on lines of its own, such as
// several errors, is told apart.
func oneLine(text string) string {
	var line strings.Builder
	for part := range strings.Lines(strings.ToValidUTF8(text, "\uFFFD")) {
		words := strings.Join(strings.Fields(part), " ")
		switch {
		case words == "":
			continue
		case line.Len() == 0:
		case strings.ContainsAny(line.String()[line.Len()-1:], ".:;,"):
			line.WriteByte(' ')
		default:
			line.WriteString("; ")
		}
		line.WriteString(words)
	}
	text = line.String()
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage-len("…")], "") + "…"
	}
	return text
}

func sameStatus(a, b *v1alpha1.GitSyncStatus) bool { return equality.Semantic.DeepEqual(a, b) }
