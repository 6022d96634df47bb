package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// What follows a write by itself: the garbage collector, the namespace controller, finalizers, copies.

// Git deletes an owner; the garbage collector does the rest, in each of the three ways.
func TestCascades(t *testing.T) {
	ns := newNamespace(t, "")
	family := func(t *testing.T, name string) {
		t.Helper()
		declare(t, deploymentOf(name, ns))
		eventually(t, "two pods of "+name, func(context.Context) error {
			if out := kubectl(t, "admin", "-n", ns, "get", "pods", "-l", "app="+name, "-o", "name").Out; strings.Count(out, "\n") != 2 {
				return fmt.Errorf("there are %q", out)
			}
			return nil
		})
	}
	for _, how := range []string{"background", "foreground"} {
		t.Run(how, func(t *testing.T) {
			family(t, how)
			kubectl(t, "alice", "-n", ns, "delete", "deployment", how, "--cascade="+how, "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
			kubectl(t, syncer, "-n", ns, "delete", "deployment", how, "--cascade="+how, "--timeout=20s").MustAllow(t)
			eventually(t, "the family to go", none("-n", ns, "deployments,replicasets,pods", "-l", "app="+how))
		})
	}
	t.Run("orphan", func(t *testing.T) {
		family(t, "orphan")
		kubectl(t, "alice", "-n", ns, "delete", "deployment", "orphan", "--cascade=orphan", "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
		kubectl(t, syncer, "-n", ns, "delete", "deployment", "orphan", "--cascade=orphan", "--timeout=20s").MustAllow(t)
		eventually(t, "the ReplicaSet to have no owner", func(context.Context) error {
			got := kubectl(t, "admin", "-n", ns, "get", "replicasets", "-l", "app=orphan", "-o", "jsonpath={.items[*].metadata.ownerReferences}/{.items[*].status.replicas}")
			if got.Out != "/2" {
				return fmt.Errorf("owners and replicas: %q", got.Out)
			}
			return nil
		})
		// An orphan is nobody's, and still not a person's.
		kubectl(t, "alice", "-n", ns, "delete", "replicasets", "-l", "app=orphan", "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
	})
}

// A namespace's DELETE reaches admission again when its content is gone. It is judged once, for the person.
func TestNamespaceDeletionIsJudgedOnce(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	dave, duty := newPerson(t, "dave"), newPerson(t, "duty", "oncall")
	kubectl(t, dave, "delete", "namespace", ns, "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
	freed := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q},"spec":{"finalizers":[]}}`, ns)
	here.KubectlIn(t, dave, freed, "replace", "--raw", "/api/v1/namespaces/"+ns+"/finalize", "-f", "-").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, duty, "annotate", "namespace", ns, "gitlatch.dev/break-glass=INC-42: this namespace has to go").MustAllow(t)
	kubectl(t, duty, "delete", "namespace", ns, "--timeout=30s").MustAllow(t)
	var got []string
	for _, r := range here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Request.Operation == "DELETE" && (r.Spec.Request.Namespace == ns || r.Spec.Request.Name == ns)
	}) {
		got = append(got, fmt.Sprint(r.Spec.Outcome, " ", r.Spec.Requester.Username, " ", r.Spec.Request.Resource, " ", r.Status.Count))
	}
	want := []string{"BreakGlass " + duty + " namespaces 1", "Denied " + dave + " namespaces 1"}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("what is recorded of deletions (-want +got):\n%s", diff)
	}
}

// Without its pod an operator's account is a person, but it may still finish what nobody else can: take its finalizer
// from what is going, and report a status. Not more in the same write.
func TestFinalizersAndStatus(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	patch := func(user, subresource, kind, patch string) world.Result {
		args := []string{"-n", ns, "patch", "deployment", "web", "--type=" + kind, "-p", patch}
		if subresource != "" {
			args = append(args, "--subresource="+subresource)
		}
		return kubectl(t, user, args...)
	}
	const condition = `{"status":{"conditions":[{"type":"Seen","status":"True"}]}}`
	const more = `{"metadata":{"annotations":{"mine":"1"}},"status":{"conditions":[{"type":"More","status":"True"}]}}`
	patch(operatorUnbound, "status", "strategic", condition).MustAllow(t)
	patch(operatorUnbound, "status", "strategic", more).MustDeny(t, v1alpha1.ReasonOutOfBand)
	patch("alice", "status", "strategic", strings.ReplaceAll(condition, "Seen", "Mine")).MustDeny(t, v1alpha1.ReasonOutOfBand)

	const remove = `[{"op":"remove","path":"/metadata/finalizers"}]`
	kubectl(t, operator, "-n", ns, "patch", "configmap/settings", "--type=merge", "-p", `{"metadata":{"finalizers":["web.example/clean"]}}`).MustAllow(t)
	asPerson := func(user string) world.Result {
		return kubectl(t, user, "-n", ns, "patch", "configmap/settings", "--type=json", "-p", remove)
	}
	asPerson(operatorUnbound).MustDeny(t, v1alpha1.ReasonOutOfBand) // it lives
	kubectl(t, syncer, "-n", ns, "delete", "configmap/settings", "--wait=false").MustAllow(t)
	asPerson("alice").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, operatorUnbound, "-n", ns, "patch", "configmap/settings", "--type=json", "-p",
		`[{"op":"remove","path":"/metadata/finalizers"},{"op":"remove","path":"/data/color"}]`).MustDeny(t, v1alpha1.ReasonOutOfBand)
	asPerson(operatorUnbound).MustAllow(t)
	eventually(t, "the ConfigMap to be gone", none("-n", ns, "configmap/settings", "--ignore-not-found"))
}

// Controllers copy labels and annotations to what they make: that forges nothing, and makes nothing declared.
func TestCopiedMarksDeclareNothing(t *testing.T) {
	for _, c := range []struct{ gate, what string }{{"", "controllers may copy them"}, {"declared", "and a person may write the copies"}} {
		t.Run(c.what, func(t *testing.T) {
			ns := newNamespace(t, c.gate)
			marks := "{app: web, kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}"
			declare(t, strings.ReplaceAll(deploymentOf("web", ns), "labels: {app: web}", "labels: "+marks))
			declare(t, fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: %s, labels: %s}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n", ns, marks))
			pod := podOf(t, ns)
			eventually(t, "the EndpointSlice with its copy", func(context.Context) error {
				if kubectl(t, "admin", "-n", ns, "get", "endpointslices", "-l", "kustomize.toolkit.fluxcd.io/name=apps", "-o", "name").Out == "" {
					return errNone
				}
				return nil
			})
			got := kubectl(t, "alice", "-n", ns, "label", "pod", pod, "mine=yes")
			if c.gate == "declared" {
				got.MustAllow(t)
			} else {
				got.MustDeny(t, v1alpha1.ReasonOutOfBand)
			}
			kubectl(t, operator, "-n", ns, "label", "pod", pod, "seen=yes").MustAllow(t)
		})
	}
}
