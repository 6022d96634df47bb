//go:build drills

package drills

import (
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// After a rollback an older webhook finds what a newer one left: an entry and an annotation in the registration that it
// does not know, a field of the policies too. It takes the entry away once, takes nobody for a tamperer, and leaves the
// field alone.
func TestAnOlderWebhookMeetsWhatANewerOneMade(t *testing.T) {
	explained(t)
	p := runbook(t, "upgrade.md")
	here.Kubectl(t, gitlatch.SyncLogin, "patch", "crd/changepolicies.gitlatch.dev", "--type=json", "-p",
		`[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/newer","value":{"type":"string"}}]`).MustAllow(t)
	withNewer := strings.Replace(gitlatch.EnforceApplier(), "  mode: Enforce\n", "  mode: Enforce\n  newer: 'yes'\n", 1)
	world.Eventually(t, "the field to be known", time.Minute, errorOf(func() error { return here.Gate.Apply(t.Context(), withNewer) }))

	began := time.Now()
	node.Hold("webhook")
	defer node.Hold()
	for _, pod := range webhookPods(t) {
		node.Kill(pod)
	}
	for _, kind := range []string{"mutating", "validating"} {
		here.Kubectl(t, "admin", "patch", kind+"webhookconfiguration/gitlatch", "--field-manager=gitlatch-webhook", "--type=json", "-p",
			`[{"op":"copy","from":"/webhooks/0","path":"/webhooks/-"},
			{"op":"replace","path":"/webhooks/`+last(t, kind)+`/name","value":"newer.gate.gitlatch.dev"},
			{"op":"add","path":"/metadata/annotations","value":{"gitlatch.dev/newer":"yes"}}]`).MustAllow(t)
	}
	node.Hold()
	guards(t)
	world.Eventually(t, "the entry to be gone", time.Minute, errorOf(func() error { return lacks(registration(t), "newer.gate") }))
	if !strings.Contains(registration(t), "gitlatch.dev/newer") {
		t.Error("the annotation, which denies nobody anything, was taken away")
	}
	version := here.Kubectl(t, "admin", "get", "mutatingwebhookconfiguration/gitlatch", "-o", "jsonpath={.metadata.resourceVersion}").Out
	here.Kubectl(t, "alice", "annotate", "changepolicy/cluster", "by-hand=yes").MustDeny(t, v1alpha1.ReasonBuiltIn)
	world.Must(t, here.Gate.WaitPolicy(t.Context(), "cluster"))
	if kept := p.run(t, "alice", "kubectl get changepolicies -o yaml").MustAllow(t).Out; !strings.Contains(kept, `newer: "yes"`) {
		t.Errorf("the field is lost: %s", kept)
	}
	if now := here.Kubectl(t, "admin", "get", "mutatingwebhookconfiguration/gitlatch", "-o", "jsonpath={.metadata.resourceVersion}").Out; now != version {
		t.Errorf("the registration is written on and on: %s, %s", version, now)
	}
	for _, r := range here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Outcome == v1alpha1.OutcomeTampered && r.Spec.Gap == nil && !r.CreationTimestamp.Time.Before(began.Truncate(time.Second))
	}) {
		t.Errorf("the newer version is on record as a tamperer: %s", r.Spec.Message)
	}

	here.Kubectl(t, gitlatch.SyncLogin, "patch", "crd/changepolicies.gitlatch.dev", "--type=json", "-p",
		`[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/newer"}]`).MustAllow(t)
	world.Must(t, here.Gate.Policy(t.Context(), gitlatch.EnforceApplier()))
	guards(t)
}

// last is where an entry comes to stand that is added to a configuration.
func last(t *testing.T, kind string) string {
	t.Helper()
	names := strings.Fields(here.Kubectl(t, "admin", "get", kind+"webhookconfiguration/gitlatch", "-o", "jsonpath={.webhooks[*].name}").Out)
	return string(rune('0' + len(names)))
}

// registration is both configurations, as text.
func registration(t *testing.T) string {
	t.Helper()
	return here.Kubectl(t, "admin", "get", "mutatingwebhookconfiguration/gitlatch", "validatingwebhookconfiguration/gitlatch", "-o", "json").MustAllow(t).Out
}
