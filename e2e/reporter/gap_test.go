package reporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// noticed is within which whatever opens the gate is on record.
const noticed = 15 * time.Second

// TestWhateverOpensTheGateIsNoticed: each is a record within 15 seconds, with its start; once it is mended the record has
// an end, and the review of what got through is done.
func TestWhateverOpensTheGateIsNoticed(t *testing.T) {
	const mutating, validating = "mutatingwebhookconfiguration/gitlatch", "validatingwebhookconfiguration/gitlatch"
	leave := func() {}
	nobody := `[{"op":"replace","path":"/webhooks/0/clientConfig/url","value":"https://localhost:1/gate"}]`
	for _, c := range []struct {
		what  string
		do    func(t *testing.T)
		mend  func(t *testing.T) // left out: the gate does it
		cause string
		state v1alpha1.GateState
		says  string
	}{
		{what: "a configuration is deleted", cause: "ConfigurationMissing", state: v1alpha1.GateFailing, says: "ValidatingWebhookConfiguration gitlatch is gone",
			do: func(t *testing.T) { kubectl(t, "admin", "", "delete", validating) }},
		{what: "an entry of one is taken out", cause: "ConfigurationChanged", state: v1alpha1.GateFailing, says: "removed",
			do: func(t *testing.T) {
				kubectl(t, "admin", "", "patch", mutating, "--type=json", "-p", `[{"op":"remove","path":"/webhooks/0"}]`)
			}},
		{what: "one is sent elsewhere", cause: "ConfigurationChanged", state: v1alpha1.GateFailing, says: "clientConfig",
			do: func(t *testing.T) { kubectl(t, "admin", "", "patch", mutating, "--type=json", "-p", nobody) }},
		{what: "every replica is stopped", cause: "NoAnswer", state: v1alpha1.GateFailing, says: "was not denied",
			do: func(*testing.T) { gate.Kill(0) }, mend: startGate},
		{what: "no pod is there that would restore a deleted one", cause: "ConfigurationMissing", state: v1alpha1.GateFailing, says: "MutatingWebhookConfiguration gitlatch is gone",
			do: func(t *testing.T) {
				gate.Kill(0)
				kubectl(t, "admin", "", "delete", mutating)
			}, mend: startGate},
		{what: "the certificate is out of date", cause: "CertificateExpired", state: v1alpha1.GateFailing, says: "expired",
			do: func(t *testing.T) {
				gate.Kill(0)
				leave = impostor(t)
			}, mend: func(t *testing.T) {
				leave()
				startGate(t)
			}},
		{what: "it is switched off", cause: "SwitchedOff", state: v1alpha1.GateOff, says: "INC-42: it denies everything", do: switchOff, mend: switchOn},
	} {
		t.Run(c.what, func(t *testing.T) {
			shut(t)
			before := gaps(t)
			began := time.Now()
			c.do(t)
			gap := newGap(t, before, c.cause, began)
			t.Logf("on record %s after the act", time.Since(began).Round(100*time.Millisecond))
			if c.mend != nil {
				c.mend(t)
			}
			ended := ends(t, gap)
			want := v1alpha1.Gap{State: c.state, Expected: v1alpha1.GateEnforcing, Since: ended.Spec.Gap.Since, Cause: c.cause}
			if diff := cmp.Diff(want, *ended.Spec.Gap); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if since := ended.Spec.Gap.Since.Time; since.After(time.Now()) || since.Before(began.Add(-noticed)) {
				t.Errorf("it began at %s, and the act was at %s", since, began)
			}
			if ended.Status.Gap.At.Before(&ended.Spec.Gap.Since) {
				t.Errorf("it ended at %s, before it began", ended.Status.Gap.At)
			}
			if ended.Spec.Outcome != v1alpha1.OutcomeTampered || ended.Spec.Reason != v1alpha1.ReasonNotEnforcing || !strings.Contains(ended.Spec.Message, c.says) {
				t.Errorf("it is %s %s and says %q, want %q in it", ended.Spec.Outcome, ended.Spec.Reason, ended.Spec.Message, c.says)
			}
			reviewed(t, ended)
		})
	}
}

// TestALabelThatHidesANamespace: taken away while the gate was not there to be asked, it is found afterwards, and it is a
// gap until git has set it again.
func TestALabelThatHidesANamespace(t *testing.T) {
	shut(t)
	ns, label := named("guarded"), named("guard")
	namespace := func(labels string) {
		synced(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}\n", ns, labels))
	}
	namespace(label + ": 'yes'")
	time.Sleep(1100 * time.Millisecond) // git's write is dated by the second, and must not be taken for a later one
	must(t, gate.Policy(t.Context(), fmt.Sprintf(`apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: %s}
spec:
  mode: Enforce
  match: {namespaceSelector: {matchLabels: {%s: "yes"}}}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
`, ns, label)))
	// The policy stays: it is of this namespace alone, and one that goes beside a gap is a story of its own.
	eventually(t, "the namespace to be seen as governed", 30*time.Second, func() error {
		kept := kubectl(t, "admin", "", "-n", "gitlatch-system", "get", "configmap/gitlatch-reporter", "-o", "jsonpath={.data.heartbeat}")
		if !strings.Contains(kept, ns) {
			return errors.New(kept)
		}
		return nil
	})
	refused(t, "alice", "", "label", "namespace", ns, label+"-")
	before := gaps(t)
	began := time.Now()
	gate.Kill(0)
	must(t, gate.RemoveBackstop(t.Context()))
	kubectl(t, "alice", "", "label", "namespace", ns, label+"-")
	startGate(t)
	gap := newGap(t, before, "NamespaceHidden", began)
	if r := gap.Spec.Request; r.Kind != "Namespace" || r.Name != ns {
		t.Errorf("its target is %+v", r)
	}
	namespace(label + ": 'yes'")
	reviewed(t, ends(t, gap))
}

func startGate(t *testing.T) {
	t.Helper()
	must(t, gate.Start(t.Context(), 0))
	must(t, gate.WaitRegistered(t.Context()))
}

const both = "mutatingwebhookconfiguration/gitlatch,validatingwebhookconfiguration/gitlatch"

func switchOff(t *testing.T) {
	for _, c := range strings.Split(both, ",") {
		kubectl(t, "admin", "", "patch", c, "--type=merge", "-p",
			`{"metadata":{"annotations":{"gitlatch.dev/off":"INC-42: it denies everything"}},"webhooks":[]}`)
	}
}

func switchOn(t *testing.T) {
	for _, c := range strings.Split(both, ",") {
		kubectl(t, "admin", "", "annotate", c, "gitlatch.dev/off-")
	}
	must(t, gate.WaitRegistered(t.Context()))
}

// shut waits until nothing is open from before.
func shut(t *testing.T) {
	t.Helper()
	eventually(t, "the gate to be seen shut", time.Minute, func() error {
		open := slices.DeleteFunc(gaps(t), func(r v1alpha1.ChangeRecord) bool { return r.Status.Gap != nil })
		if len(open) > 0 {
			return fmt.Errorf("%s is open: %s", open[0].Name, open[0].Spec.Message)
		}
		kept := kubectl(t, "admin", "", "-n", "gitlatch-system", "get", "configmap/gitlatch-reporter", "-o", "jsonpath={.data.heartbeat}")
		if !strings.Contains(kept, `"expected":"Enforcing"`) {
			return fmt.Errorf("the heartbeat keeps %q", kept)
		}
		return nil
	})
}

// gaps are the records of gaps.
func gaps(t testing.TB) []v1alpha1.ChangeRecord {
	t.Helper()
	var list v1alpha1.ChangeRecordList
	must(t, api(t, "admin").List(t.Context(), &list, client.MatchingLabels{v1alpha1.LabelOutcome: string(v1alpha1.OutcomeTampered)}))
	return slices.DeleteFunc(list.Items, func(r v1alpha1.ChangeRecord) bool { return r.Spec.Gap == nil })
}

// newGap waits for a gap of a cause that was not there before, for as long as may pass after the act.
func newGap(t *testing.T, before []v1alpha1.ChangeRecord, cause string, act time.Time) *v1alpha1.ChangeRecord {
	t.Helper()
	var found *v1alpha1.ChangeRecord
	eventually(t, "a gap for "+cause, time.Until(act.Add(noticed)), func() error {
		var others []string
		for _, r := range gaps(t) {
			known := slices.ContainsFunc(before, func(b v1alpha1.ChangeRecord) bool { return b.Name == r.Name })
			switch {
			case !known && r.Spec.Gap.Cause == cause:
				found = &r
				return nil
			case !known:
				others = append(others, r.Spec.Gap.Cause+": "+r.Spec.Message)
			}
		}
		return fmt.Errorf("new are only %q", others)
	})
	return found
}

// ends waits for the end of a gap.
func ends(t *testing.T, gap *v1alpha1.ChangeRecord) *v1alpha1.ChangeRecord {
	t.Helper()
	rec := &v1alpha1.ChangeRecord{}
	eventually(t, "the gap to end", 30*time.Second, func() error {
		must(t, api(t, "admin").Get(t.Context(), client.ObjectKeyFromObject(gap), rec))
		if rec.Status.Gap == nil {
			return errors.New("it is open")
		}
		return nil
	})
	return rec
}

// reviewed waits until it is known what got through.
func reviewed(t *testing.T, gap *v1alpha1.ChangeRecord) {
	t.Helper()
	eventually(t, "the review of the gap", time.Minute, func() error {
		rec := &v1alpha1.ChangeRecord{}
		must(t, api(t, "admin").Get(t.Context(), client.ObjectKeyFromObject(gap), rec))
		if rec.Status.Gap.Audited == nil || rec.Labels[v1alpha1.LabelGap] != "" {
			return fmt.Errorf("status %+v, label %q", rec.Status.Gap, rec.Labels[v1alpha1.LabelGap])
		}
		return nil
	})
}
