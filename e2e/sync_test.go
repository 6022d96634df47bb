package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// The sync identity does everything, with every verb and under any field manager, and the API server never asks
// Gitlatch about it: its audit log shows no answer, and no replica counts a request.
func TestTheSyncIsNeverAskedAbout(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	pod := podOf(t, ns)
	mark, before := auditMark(t), decisions(t)
	configMap := func(color string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: %s}\ndata: {color: %s}\n", ns, color)
	}
	for _, c := range []struct{ args, stdin string }{
		{"create -f -", configMap("blue")},
		{"apply -f -", configMap("red")},
		{"apply --server-side --force-conflicts --field-manager=sync -f -", configMap("green")},
		{"replace -f -", configMap("grey")},
		{`patch configmap more -p {"data":{"color":"black"}}`, ""},
		{`patch configmap more --type=json -p [{"op":"remove","path":"/data/color"}]`, ""},
		{"label configmap more team=git", ""},
		{"label configmap more kustomize.toolkit.fluxcd.io/name=apps", ""},
		{"annotate configmap more note=git", ""},
		{"scale deployment web --replicas=3", ""},
		{"set image deployment/web web=registry.example/web:2", ""},
		{"run one --image=registry.example/one", ""},
		{"expose deployment web --name=more --port=81", ""},
		{"autoscale deployment web --min=1 --max=4", ""},
		{"create serviceaccount one", ""},
		{"create token one", ""},
		{"create clusterrole one-" + ns + " --verb=get --resource=pods", ""},
		{"create rolebinding one --clusterrole=view --serviceaccount=gitops:sync", ""},
		{"label namespace " + ns + " team=git", ""},
		{"cordon gitlatch-node", ""},
		{"uncordon gitlatch-node", ""},
		{"delete configmap more", ""},
		{"delete configmap,secret -l app=shop", ""},
		{"delete clusterrole one-" + ns, ""},
	} {
		here.KubectlIn(t, syncer, c.stdin, append([]string{"-n", ns}, strings.Fields(c.args)...)...).MustAllow(t)
	}
	// What only admission can be seen of, there being no kubelet.
	for _, args := range []string{"exec " + pod + " -- true", "get --raw /api/v1/namespaces/" + ns + "/pods/" + pod + "/proxy/"} {
		got := kubectl(t, syncer, append([]string{"-n", ns}, strings.Fields(args)...)...)
		if strings.Contains(got.Err, "denied the request") {
			t.Errorf("kubectl %s: %s", args, got.Err)
		}
	}
	// kubectl deletes one by one, even with --all.
	if err := here.Client(t, syncer).DeleteAllOf(t.Context(), &rbacv1.RoleBinding{}, client.InNamespace(ns)); err != nil {
		t.Errorf("deleting a collection: %v", err)
	}
	kubectl(t, syncer, "delete", "namespace", ns, "--wait=false").MustAllow(t)

	acts := map[string]bool{}
	for _, e := range auditedSince(t, mark, by("system:serviceaccount:gitops:sync")) {
		acts[act(e)] = true
		if calledOut(e) {
			t.Errorf("the API server asked Gitlatch about %s %s: %v", act(e), e.ObjectRef.Name, e.Annotations)
		}
	}
	for _, want := range []string{
		"create configmaps", "patch configmaps", "update configmaps", "delete configmaps", "deletecollection rolebindings",
		"patch deployments", "patch deployments/scale", "create pods", "create services", "create horizontalpodautoscalers",
		"create serviceaccounts/token", "create clusterroles", "create rolebindings", "delete clusterroles",
		"get pods/exec", "get pods/proxy", "patch namespaces", "delete namespaces", "patch nodes",
	} {
		if !acts[want] {
			t.Errorf("the audit log shows no %s of the sync, only %v", want, sortedKeys(acts))
		}
	}
	if diff := cmp.Diff(before, decisions(t)); diff != "" {
		t.Errorf("what the replicas count (-before +after):\n%s", diff)
	}
	if found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		// The first policy is recorded, whoever writes it; so is who only poses as the sync.
		return r.Spec.Requester.UID == string(gate.Sync().UID) && r.Spec.Request.Group != v1alpha1.Group
	}); len(found) > 0 {
		t.Errorf("there is a record of the sync: %+v", found[0].Spec)
	}
}

func sortedKeys(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
