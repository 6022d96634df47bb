package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Ways to become an identity that the gate lets through are refused: to persons, to administrators, to pipelines, and
// to controllers, who come after this class.
func TestWaysToBecomeSomebodyElse(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	pod := podOf(t, ns)
	if err := plane.MarkRunning(t.Context(), "gitops", "sync-0"); err != nil { // or kubectl would not even ask
		t.Fatal(err)
	}
	workload := func(kind, account string) string {
		spec := "spec: {restartPolicy: Never, serviceAccountName: " + account + ", containers: [{name: a, image: registry.example/a}]}"
		switch kind {
		case "Pod":
			return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: thief, namespace: gitops}\n%s\n", spec)
		case "CronJob":
			return fmt.Sprintf("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: thief, namespace: gitops}\n"+
				"spec: {schedule: '0 3 * * *', jobTemplate: {spec: {template: {%s}}}}\n", spec)
		}
		return strings.Replace(fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: thief, namespace: gitops}\n"+
			"spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, %s}}\n", spec), "restartPolicy: Never, ", "", 1)
	}
	const tokenSecret = `apiVersion: v1
kind: Secret
metadata: {name: thief, namespace: gitops, annotations: {kubernetes.io/service-account.name: sync}}
type: kubernetes.io/service-account-token
`
	ways := []struct{ what, args, stdin string }{
		{"a token for a controller of the control plane", "-n kube-system create token generic-garbage-collector", ""},
		{"a token for the sync", "-n gitops create token sync", ""},
		{"a token for the gate", "-n gitlatch-system create token gitlatch-webhook", ""},
		{"a token that is bound to a pod", "-n " + ns + " create token default --bound-object-kind=Pod --bound-object-name=" + pod, ""},
		{"exec into the sync's pod", "-n gitops exec sync-0 -- cat /token", ""},
		{"attach to it", "-n gitops attach sync-0", ""},
		{"port-forward to it", "-n gitops port-forward pod/sync-0 :80", ""},
		{"proxy to it", "get --raw /api/v1/namespaces/gitops/pods/sync-0/proxy/metrics", ""},
		{"a debug container in it", "-n gitops debug sync-0 --image=registry.example/x -c dbg --attach=false", ""},
		{"a pod that names its account", "create -f -", workload("Pod", "sync")},
		{"a pod that names a controller's account", "create -f -",
			strings.NewReplacer("gitops", "kube-system", "Name: sync", "Name: generic-garbage-collector").Replace(workload("Pod", "sync"))},
		{"a Deployment that names it", "create -f -", workload("Deployment", "sync")},
		{"a CronJob that names it", "create -f -", workload("CronJob", "sync")},
		{"its ServiceAccount", "-n gitops annotate serviceaccount sync mine=yes", ""},
		{"its deletion", "-n gitops delete serviceaccount sync --wait=false", ""},
		{"a Secret with its token", "create -f -", tokenSecret},
		{"a role for it", "-n " + ns + " create rolebinding thief --clusterrole=view --serviceaccount=gitops:sync", ""},
		{"a role for it by its user name", "-n " + ns + " create rolebinding thief --clusterrole=view --user=system:serviceaccount:gitops:sync", ""},
		{"its role's binding", "label clusterrolebinding test:gitops:sync:admin mine=yes", ""},
		{"the deletion of its binding", "delete clusterrolebinding test:gitops:sync:admin --wait=false", ""},
	}
	dave := newPerson(t, "dave")
	for who, user := range map[string]string{
		dave: dave, "admin": "admin", "pipeline": "system:serviceaccount:ci:pipeline", operator: operatorUser,
	} {
		for _, w := range ways {
			t.Run(who+": "+w.what, func(t *testing.T) {
				here.KubectlIn(t, who, w.stdin, strings.Fields(w.args)...).MustDeny(t, v1alpha1.ReasonCredential)
			})
		}
		t.Run(who+": all are recorded", func(t *testing.T) { recordedWays(t, user, ns) })
	}
}

func recordedWays(t *testing.T, user, ns string) {
	t.Helper()
	got := map[string]bool{}
	for _, r := range here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Requester.Username == user && r.Spec.Reason == v1alpha1.ReasonCredential
	}) {
		if r.Spec.Outcome != v1alpha1.OutcomeDenied || r.Spec.Class != v1alpha1.ClassCredential {
			t.Errorf("the record is %s of class %s, want Denied of class credential", r.Spec.Outcome, r.Spec.Class)
		}
		q := r.Spec.Request
		what := q.Operation + " " + q.Resource
		if q.Subresource != "" {
			what += "/" + q.Subresource
		}
		where := q.Namespace
		if where == ns {
			where = "ns"
		}
		got[what+" "+where+"/"+q.Name] = true
	}
	pods := sortedKeys(got)
	for i, k := range pods { // the name of the Deployment's pod is made up
		if name, found := strings.CutPrefix(k, "CREATE serviceaccounts/token ns/"); found && name != "default" {
			pods[i] = "CREATE serviceaccounts/token ns/?"
		}
	}
	want := []string{
		"CONNECT pods/attach gitops/sync-0",
		"CONNECT pods/exec gitops/sync-0",
		"CONNECT pods/portforward gitops/sync-0",
		"CONNECT pods/proxy gitops/sync-0",
		"CREATE cronjobs gitops/thief",
		"CREATE deployments gitops/thief",
		"CREATE pods gitops/thief",
		"CREATE pods kube-system/thief",
		"CREATE rolebindings ns/thief",
		"CREATE secrets gitops/thief",
		"CREATE serviceaccounts/token gitlatch-system/gitlatch-webhook",
		"CREATE serviceaccounts/token gitops/sync",
		"CREATE serviceaccounts/token kube-system/generic-garbage-collector",
		"CREATE serviceaccounts/token ns/default",
		"DELETE clusterrolebindings /test:gitops:sync:admin",
		"DELETE serviceaccounts gitops/sync",
		"UPDATE clusterrolebindings /test:gitops:sync:admin",
		"UPDATE pods/ephemeralcontainers gitops/sync-0",
		"UPDATE serviceaccounts gitops/sync",
	}
	if diff := cmp.Diff(want, pods); diff != "" {
		t.Errorf("what is recorded of %s (-want +got):\n%s", user, diff)
	}
}

// A person's exec into an ordinary pod is an operation: flagged here, recorded, and no credential.
func TestADoorIntoAnOrdinaryPod(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	pod := podOf(t, ns)
	dave := newPerson(t, "dave")
	if got := kubectl(t, dave, "-n", ns, "exec", pod, "--", "true"); strings.Contains(got.Err, "denied the request") {
		t.Fatalf("want it let through admission, got %s", got.Err)
	}
	kubectl(t, dave, "-n", ns, "create", "token", "default").MustDeny(t, v1alpha1.ReasonOutOfBand)
	var got []string
	for _, r := range here.Records(t, inNamespaceBy(ns, dave)) {
		got = append(got, fmt.Sprint(r.Spec.Outcome, " ", r.Spec.Reason, " ", r.Spec.Request.Operation, " ", r.Spec.Request.Resource, "/", r.Spec.Request.Subresource))
	}
	want := []string{"Flagged Operation CONNECT pods/exec", "Denied OutOfBand CREATE serviceaccounts/token"}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
