package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

const (
	operatorUser = "system:serviceaccount:operators:web-operator"
	collector    = "system:serviceaccount:kube-system:generic-garbage-collector"
)

// childOf is a ConfigMap that an operator would make for a declared object.
func childOf(ns, name, owner, uid string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata:
  name: %[2]s
  namespace: %[1]s
  labels: {kustomize.toolkit.fluxcd.io/name: apps}
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: %[3]s, uid: %[4]s}]
data: {made: by-operator}
`, ns, name, owner, uid)
}

// An operator's pod works on what git does not declare, copies marks to its children, and reports on what git declares.
func TestAnOperatorWorks(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	do := func(stdin, args string) world.Result {
		return here.KubectlIn(t, operator, stdin, append([]string{"-n", ns}, strings.Fields(args)...)...)
	}
	uid := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "-o", "jsonpath={.metadata.uid}").Out
	declare(t, crd("gears", "Gear", "Namespaced"))
	kubectl(t, "admin", "wait", "--for=condition=Established", "crd/gears.e2e.example", "--timeout=20s").MustAllow(t)
	declare(t, fmt.Sprintf("apiVersion: e2e.example/v1\nkind: Gear\nmetadata: {name: one, namespace: %s}\nspec: {size: 1}\n", ns))

	for _, c := range []struct{ args, stdin string }{
		{"create -f -", childOf(ns, "child", "settings", uid)},
		{`patch configmap child -p {"data":{"made":"again"}}`, ""},
		{"label configmap child team=web", ""},
		{"create deployment child --image=registry.example/child", ""},
		{"scale deployment child --replicas=2", ""},
		{"set image deployment/child child=registry.example/child:2", ""},
		{"expose deployment child --port=80", ""},
		{"label deployment web seen=yes", ""}, // a field of a declared object that git does not declare
		{`patch gear one --subresource=status --type=merge -p {"status":{"phase":"Ready"}}`, ""},
		{`patch gear one --type=json -p [{"op":"add","path":"/metadata/finalizers","value":["web.example/clean"]}]`, ""},
		{"drain gitlatch-node --pod-selector=app=child --disable-eviction=false --force --ignore-daemonsets --timeout=20s --dry-run=server", ""},
		{"delete service,deployment,configmap child", ""},
	} {
		do(c.stdin, c.args).MustAllow(t)
	}
	t.Run("its finalizer keeps a deleted object until it takes it away", func(t *testing.T) {
		kubectl(t, syncer, "-n", ns, "delete", "gear/one", "--wait=false").MustAllow(t)
		takeAway := `patch gear one --type=json -p [{"op":"remove","path":"/metadata/finalizers"}]`
		kubectl(t, "alice", append([]string{"-n", ns}, strings.Fields(takeAway)...)...).MustDeny(t, v1alpha1.ReasonOutOfBand)
		do("", takeAway).MustAllow(t)
		eventually(t, "the Gear to be gone", none("-n", ns, "gears"))
	})
	t.Run("it evicts a pod, and the controller makes another", func(t *testing.T) {
		if err := evict(t, operator, ns, podOf(t, ns)); err != nil {
			t.Fatal(err)
		}
	})
	if found := here.Records(t, inNamespaceBy(ns, operatorUser)); len(found) > 0 {
		t.Errorf("there is a record of the operator's work: %+v", found[0].Spec.Request)
	}

	for _, args := range []string{
		`patch configmap settings -p {"data":{"color":"red"}}`,
		`patch configmap settings --type=json -p [{"op":"remove","path":"/data"}]`,
		"scale deployment web --replicas=5",
		"set image deployment/web web=registry.example/web:9",
		"delete configmap settings --wait=false",
		`patch configmap settings --type=merge -p {"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"1-2"}]}}`,
		"delete namespace " + ns + " --wait=false",
		"delete crd gears.e2e.example --wait=false",
	} {
		t.Run("denied: "+args, func(t *testing.T) { do("", args).MustDeny(t, v1alpha1.ReasonOutOfBand) })
	}
}

// inNamespaceBy selects the records of one requester in one namespace.
func inNamespaceBy(ns, user string) func(*v1alpha1.ChangeRecord) bool {
	return func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Request.Namespace == ns && r.Spec.Requester.Username == user
	}
}

// The name of a service account proves nothing: without the token of its pod, whoever bears it is a person. So is one
// in whose pods people run what they like.
func TestWhoIsOnlyAPerson(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	kubectl(t, operator, "-n", ns, "create", "configmap", "undeclared").MustAllow(t)
	for _, c := range []struct {
		who, login string
		as         []string
		recorded   string
		rbac       bool // whom they pose as may not create it
	}{
		{"the operator's account with a minted token", operatorUnbound, nil, operatorUser, false},
		{"a pipeline outside", "pipeline", nil, "system:serviceaccount:ci:pipeline", false},
		{"a runner that the policy does not trust", runner, nil, "system:serviceaccount:ci-runners:runner", false},
		{"an administrator as the garbage collector", "admin", []string{"--as=" + collector}, collector, true},
		{"an administrator as the collector, groups and all", "admin",
			[]string{"--as=" + collector, "--as-group=system:serviceaccounts", "--as-group=system:serviceaccounts:kube-system", "--as-group=system:masters"}, collector, false},
		{"an administrator as the controller manager", "admin",
			[]string{"--as=system:kube-controller-manager", "--as-group=system:masters"}, "system:kube-controller-manager", false},
		{"an administrator as a node", "admin",
			[]string{"--as=system:node:gitlatch-node", "--as-group=system:nodes", "--as-group=system:masters"}, "system:node:gitlatch-node", false},
		{"an administrator as the operator", "admin", []string{"--as=" + operatorUser}, operatorUser, false},
		{"an administrator as the sync", "admin", []string{"--as=system:serviceaccount:gitops:sync"}, "system:serviceaccount:gitops:sync", false},
		{"an administrator", "admin", nil, "admin", false},
	} {
		t.Run(c.who, func(t *testing.T) {
			acts := map[string]string{
				"DELETE": "delete configmap undeclared --wait=false",
				"UPDATE": `patch configmap settings -p {"data":{"color":"red"}}`,
				"CREATE": "create configmap mine",
			}
			if c.rbac {
				delete(acts, "CREATE")
			}
			for _, args := range acts {
				kubectl(t, c.login, append(append([]string{"-n", ns}, c.as...), strings.Fields(args)...)...).
					MustDeny(t, v1alpha1.ReasonOutOfBand)
			}
			operations := map[string]int{}
			for _, r := range here.Records(t, inNamespaceBy(ns, c.recorded)) {
				if r.Spec.Outcome == v1alpha1.OutcomeDenied && r.Spec.Reason == v1alpha1.ReasonOutOfBand {
					operations[r.Spec.Request.Operation]++
				}
			}
			for op := range acts {
				if operations[op] == 0 {
					t.Errorf("no %s is recorded of %s", op, c.recorded)
				}
			}
		})
	}
}

// evict asks for a pod's eviction, as kubectl drain does for each.
func evict(t *testing.T, user, ns, pod string) error {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, ns)
	got := here.KubectlIn(t, user, body, "create", "--raw", "/api/v1/namespaces/"+ns+"/pods/"+pod+"/eviction", "-f", "-")
	if got.Code != 0 {
		return fmt.Errorf("evicting pod %s as %s: %s", pod, user, got.Err)
	}
	eventually(t, "the pod to go", func(ctx context.Context) error {
		return none("-n", ns, "pod/"+pod, "--ignore-not-found")(ctx)
	})
	return nil
}
