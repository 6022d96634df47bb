package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Whatever a person tries with kubectl is denied under Enforce, and recorded
// with their name.
func TestNobodyButGitWrites(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	manifest := func(text string) string { return fmt.Sprintf(text, ns) }
	for _, c := range []struct{ what, operation, stdin, args string }{
		{"create", "CREATE", manifest("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine, namespace: %s}\n"), "create -f -"},
		{"create a Deployment", "CREATE", "", "create deployment mine --image=registry.example/x"},
		{"update by replace", "UPDATE", manifest("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: %s}\ndata: {color: red}\n"), "replace -f -"},
		{"client-side apply", "UPDATE", manifest("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: %s}\ndata: {color: red}\n"), "apply -f -"},
		{"server-side apply", "UPDATE", manifest("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: %s}\ndata: {color: red}\n"), "apply --server-side --force-conflicts -f -"},
		{"patch", "UPDATE", "", "patch configmap settings -p {\"data\":{\"color\":\"red\"}}"},
		{"json patch", "UPDATE", "", "patch configmap settings --type=json -p [{\"op\":\"remove\",\"path\":\"/data/color\"}]"},
		{"label", "UPDATE", "", "label configmap settings team=alice"},
		{"annotate", "UPDATE", "", "annotate configmap settings note=mine"},
		{"scale", "UPDATE", "", "scale deployment web --replicas=5"},
		{"set image", "UPDATE", "", "set image deployment/web web=registry.example/web:2"},
		{"set env", "UPDATE", "", "set env deployment/web A=b"},
		{"rollout undo has nothing to undo, pause has", "UPDATE", "", "rollout pause deployment/web"},
		{"run", "CREATE", "", "run mine --image=registry.example/x"},
		{"expose", "CREATE", "", "expose deployment web --name=mine --port=81"},
		{"autoscale", "CREATE", "", "autoscale deployment web --min=1 --max=3"},
		{"delete", "DELETE", "", "delete configmap settings --wait=false"},
		{"deletecollection", "DELETE", "", "delete configmap -l app=shop --wait=false"},
		{"delete the namespace", "DELETE", "", "delete namespace " + ns + " --wait=false"},
		{"label the namespace out of the policy", "UPDATE", "", "label namespace " + ns + " gate=audit"},
		{"create a namespace", "CREATE", "", "create namespace mine-" + ns},
		{"a cluster-scoped object", "CREATE", "", "create clusterrole mine-" + ns + " --verb=get --resource=pods"},
		{"a debug container", "UPDATE", "", "debug " + podOf(t, ns) + " --image=registry.example/x -c dbg --attach=false"},
	} {
		t.Run(c.what, func(t *testing.T) {
			reason := v1alpha1.ReasonOutOfBand
			if c.what == "a debug container" {
				reason = v1alpha1.ReasonOperation
			}
			got := here.KubectlIn(t, "alice", c.stdin, append([]string{"-n", ns}, strings.Fields(c.args)...)...)
			if c.what == "autoscale" && got.Code != 0 {
				// After the denial kubectl tries again with another version of the kind,
				// and shows only that it can't.
			} else {
				got.MustDeny(t, reason)
			}
			found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
				return r.Spec.Requester.Username == "alice" && r.Spec.Outcome == v1alpha1.OutcomeDenied &&
					r.Spec.Request.Operation == c.operation &&
					(r.Spec.Request.Namespace == ns || strings.HasSuffix(r.Spec.Request.Name, ns))
			})
			if len(found) == 0 {
				t.Fatalf("no record of alice's %s", c.operation)
			}
			if diff := cmp.Diff([]string{"devs", "system:authenticated"}, found[0].Spec.Requester.Groups); diff != "" {
				t.Errorf("groups in the record (-want +got):\n%s", diff)
			}
		})
	}
	out := kubectl(t, "alice", "-n", ns, "get", "configmap", "settings", "-o", "jsonpath={.data.color} {.metadata.labels}").MustAllow(t)
	if want := `blue {"app":"shop"}`; out.Out != want {
		t.Errorf("the ConfigMap is %q, want %q as git declared it", out.Out, want)
	}
}

// podOf waits for a pod of Deployment web, which the controllers make.
func podOf(t *testing.T, ns string) string {
	t.Helper()
	name := ""
	eventually(t, "a pod of Deployment web in "+ns, func(context.Context) error {
		name = kubectl(t, "admin", "-n", ns, "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}").Out
		if name == "" {
			return errNone
		}
		return nil
	})
	return name
}

// kubectl edit runs an editor; ours makes the change that a person would.
func TestEditIsDenied(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	editor := filepath.Join(t.TempDir(), "editor.sh")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/blue/red/' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBE_EDITOR", editor)
	got := kubectl(t, "alice", "-n", ns, "edit", "configmap", "settings")
	if got.Code == 0 || !strings.Contains(got.Err+got.Out, "OutOfBand: ConfigMap "+ns+"/settings is changed through git only.") {
		t.Fatalf("kubectl edit: want a denial, got exit %d: %s%s", got.Code, got.Out, got.Err)
	}
}

// A kind whose CRD came after the gate is governed from its first object on.
func TestKindsThatComeLater(t *testing.T) {
	ns := newNamespace(t, "")
	declare(t, crd("widgets", "Widget", "Namespaced"))
	kubectl(t, "admin", "wait", "--for=condition=Established", "crd/widgets.e2e.example", "--timeout=20s").MustAllow(t)
	widget := fmt.Sprintf("apiVersion: e2e.example/v1\nkind: Widget\nmetadata: {name: one, namespace: %s}\nspec: {size: 1}\n", ns)
	eventually(t, "git's Widget", func(ctx context.Context) error { return gate.Apply(ctx, widget) })
	kubectl(t, "alice", "-n", ns, "patch", "widget", "one", "--type=merge", "-p", `{"spec":{"size":2}}`).MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "alice", "-n", ns, "scale", "widget/one", "--replicas=3").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "alice", "delete", "crd", "widgets.e2e.example", "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
}

func crd(plural, kind, scope string) string {
	return fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.e2e.example}
spec:
  group: e2e.example
  scope: %[3]s
  names: {plural: %[1]s, singular: %[4]s, kind: %[2]s}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              whole: {type: array, x-kubernetes-list-type: atomic, items: {type: string}}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, value: {type: string}}
          status:
            type: object
            properties: {size: {type: integer}, phase: {type: string}}
`, plural, kind, scope, strings.ToLower(kind))
}
