//go:build drills

package drills

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// misspelt is the policy with a sync identity that nobody is.
func misspelt() string {
	return strings.Replace(gitlatch.EnforceApplier(), "name: sync}", "name: snyc}", 1)
}

// Without whoever may break glass in the policy, system:masters alone may.
func withoutGlass(policy string) string {
	head, _, _ := strings.Cut(policy, "  breakGlass:\n")
	return head
}

// git's own commit names a wrong account: from then on git is out of band. Each who may repair it does, by the page.
func TestAPolicyThatNamesAWrongSyncIdentity(t *testing.T) {
	explained(t)
	p := runbook(t, "wrong-sync.md")
	const why = "INC-42: the policy names a wrong sync identity"
	const repair = `kubectl patch changepolicy cluster --type=json -p '[{"op":"replace","path":"/spec/sync/0/serviceAccount/name","value":"sync"}]'`
	glass := func(t *testing.T, user string) {
		t.Helper()
		p.run(t, user, `kubectl gitlatch break-glass changepolicy/cluster --reason "INC-42: the policy names a wrong sync identity" --for 15m`).MustAllow(t)
		p.run(t, user, repair).MustAllow(t)
		p.run(t, user, "kubectl gitlatch break-glass changepolicy/cluster --end").MustAllow(t)
	}
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, strings.ReplaceAll(aDeployment, "NS", ns))
	podsOf(t, ns, "web", 1)
	emergency := func(user string) func(*v1alpha1.ChangeRecord) bool {
		return func(r *v1alpha1.ChangeRecord) bool {
			return r.Spec.Outcome == v1alpha1.OutcomeBreakGlass && r.Spec.Requester.Username == user && r.Spec.Request.Kind == "ChangePolicy" &&
				r.Spec.Request.Name == "cluster" && r.Spec.BreakGlass.Reason == why
		}
	}
	for _, c := range []struct {
		who, policy string
		do          func(t *testing.T)
		recorded    func(*v1alpha1.ChangeRecord) bool
	}{
		{"somebody on call", misspelt(), func(t *testing.T) { glass(t, "oncall") }, emergency("oncall")},
		{"an administrator of the cluster, where the policy names nobody", withoutGlass(misspelt()), func(t *testing.T) {
			here.Kubectl(t, "oncall", "annotate", "changepolicy/cluster", "gitlatch.dev/break-glass=INC-42: the policy names a wrong identity").
				MustDeny(t, v1alpha1.ReasonBreakGlassUnauthorized)
			glass(t, "admin")
		}, emergency("admin")},
		{"whoever may write webhook configurations", misspelt(), func(t *testing.T) {
			p.run(t, "alice", `kubectl gitlatch off --reason "INC-42: the policy names a wrong sync identity"`).MustAllow(t)
			world.Eventually(t, "the gate to be off", 30*time.Second, errorOf(func() error {
				if r := p.run(t, "alice", repair); r.Code != 0 {
					return fmt.Errorf("%s", r.Err)
				}
				return nil
			}))
			p.run(t, "alice", "kubectl gitlatch on").MustAllow(t)
		}, func(r *v1alpha1.ChangeRecord) bool {
			return gap("SwitchedOff")(r) && strings.Contains(r.Spec.Message, why)
		}},
	} {
		t.Run(c.who, func(t *testing.T) {
			began, mark := time.Now(), auditMark(t)
			// The API server looks for a changed backstop once a second: that of the last policy may still refuse git.
			world.Eventually(t, "the policy to be committed", time.Minute, errorOf(func() error { return here.Gate.Policy(t.Context(), c.policy) }))
			lockedOut(t, p, began)
			rescheduled(t, ns, mark)
			here.Kubectl(t, "alice", "delete", "changepolicy", "cluster").MustDeny(t, v1alpha1.ReasonBuiltIn)
			c.do(t)
			p.run(t, "alice", "kubectl wait changepolicy/cluster --for=condition=Ready --timeout=1m").MustAllow(t)
			world.Eventually(t, "git to get through", time.Minute, errorOf(func() error { return here.Gate.Apply(t.Context(), gitlatch.EnforceApplier()) }))
			guards(t)
			recorded(t, "the emergency", began, c.recorded)
		})
	}
}

// rescheduled: while git is locked out, a node gives up a pod and the controllers make another. Since the mark, nobody of
// the control plane was refused.
func rescheduled(t *testing.T, ns string, mark int64) {
	t.Helper()
	pods := func() string {
		return here.Kubectl(t, "admin", "get", "pods", "-n", ns, "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}").MustAllow(t).Out
	}
	old := pods()
	world.Must(t, here.Plane.FinishDeletion(t.Context(), ns, old))
	podsOf(t, ns, "web", 1)
	if now := pods(); now == old {
		t.Errorf("pod %s is still there", old)
	}
	for _, e := range refusedSystem(t, mark) {
		t.Errorf("the control plane was refused: %s %s by %s: %s", e.Verb, e.ObjectRef.Resource, e.User.Username, e.ResponseStatus.Message)
	}
}

// lockedOut: the sync is denied, and told so; the records show it under its name.
func lockedOut(t *testing.T, p *page, began time.Time) {
	t.Helper()
	const asGit = "system:serviceaccount:gitops:sync"
	name := here.Named("by-git") // denials of one target within five minutes are one record
	world.Eventually(t, "git to be denied", 30*time.Second, errorOf(func() error {
		err := here.Gate.Apply(t.Context(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+", namespace: default}\n")
		if err == nil || !strings.Contains(err.Error(), "denied the request") || !strings.Contains(err.Error(), "you: "+asGit) {
			return fmt.Errorf("git was answered: %v", err)
		}
		return nil
	}))
	recorded(t, "git's denial", began, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Outcome == v1alpha1.OutcomeDenied && r.Spec.Requester.Username == asGit && r.Spec.Request.Name == name
	})
	if said := p.run(t, "alice", "kubectl gitlatch records list --since 1h -o wide").MustAllow(t).Out; !strings.Contains(said, asGit) {
		t.Errorf("the list of records does not name git: %s", said)
	}
	said := p.run(t, "alice", `kubectl get changepolicies -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.spec.sync}{"\n"}{end}'`).MustAllow(t).Out
	if !strings.Contains(said, "snyc") {
		t.Errorf("the policy's sync is not shown: %s", said)
	}
}

// Before the first policy enforces, a wrong one is anybody's to correct, and the records have told of it: that is why it
// begins in Audit.
func TestAWrongSyncIdentityIsSeenBeforeItEnforces(t *testing.T) {
	explained(t)
	p := runbook(t, "wrong-sync.md")
	began := time.Now()
	audit := strings.Replace(misspelt(), "mode: Enforce", "mode: Audit", 1)
	world.Must(t, here.Gate.Policy(t.Context(), audit))
	here.Declare(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: by-git, namespace: default}\n")
	recorded(t, "what git did", began, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Outcome == v1alpha1.OutcomeFlagged && r.Spec.Requester.Username == "system:serviceaccount:gitops:sync"
	})
	p.run(t, "alice", `kubectl patch changepolicy cluster --type=json -p '[{"op":"replace","path":"/spec/sync/0/serviceAccount/name","value":"sync"}]'`).MustAllow(t)
	recorded(t, "the correction", began, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Outcome == v1alpha1.OutcomeFlagged && r.Spec.Requester.Username == "alice" && r.Spec.Request.Kind == "ChangePolicy"
	})
	world.Must(t, here.Gate.Policy(t.Context(), gitlatch.EnforceApplier()))
	guards(t)
}
