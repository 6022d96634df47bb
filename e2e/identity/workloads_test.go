package identity

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// podRunning is a pod's spec of an account; field is the name of the field that says so.
func podRunning(field, account string) string {
	return "{restartPolicy: Always, " + field + ": " + account + ", containers: [{name: a, image: registry.example/a}]}"
}

// workloads are every kind that makes pods, each naming an account in its template, as created in a namespace.
func workloads(namespace, field, account string) []way {
	template := "{metadata: {labels: {a: b}}, spec: " + podRunning(field, account) + "}"
	once := strings.Replace(template, "Always", "Never", 1)
	var ways []way
	for _, k := range []struct{ api, prefix, resource, kind, body string }{
		{"v1", core, "pods", "Pod", "spec: " + podRunning(field, account)},
		{"v1", core, "podtemplates", "PodTemplate", "template: " + template},
		{"v1", core, "replicationcontrollers", "ReplicationController", "spec: {replicas: 1, selector: {a: b}, template: " + template + "}"},
		{"apps/v1", apps, "replicasets", "ReplicaSet", "spec: {selector: {matchLabels: {a: b}}, template: " + template + "}"},
		{"apps/v1", apps, "deployments", "Deployment", "spec: {selector: {matchLabels: {a: b}}, template: " + template + "}"},
		{"apps/v1", apps, "statefulsets", "StatefulSet", "spec: {serviceName: a, selector: {matchLabels: {a: b}}, template: " + template + "}"},
		{"apps/v1", apps, "daemonsets", "DaemonSet", "spec: {selector: {matchLabels: {a: b}}, template: " + template + "}"},
		{"apps/v1", apps, "controllerrevisions", "ControllerRevision", "revision: 1\ndata: {spec: {template: " + template + "}}"},
		{"batch/v1", jobs, "jobs", "Job", "spec: {template: " + once + "}"},
		{"batch/v1", jobs, "cronjobs", "CronJob", "spec: {schedule: '0 3 * * *', jobTemplate: {spec: {template: " + once + "}}}"},
	} {
		ways = append(ways, way{
			"a " + k.kind + " of " + namespace + "/" + account + " by " + field,
			request{http.MethodPost, k.prefix + namespace + "/" + k.resource,
				fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: thief}\n%s\n", k.api, k.kind, k.body), ""},
			"CREATE " + k.resource + " " + namespace + "/thief",
		})
	}
	return ways
}

// What runs as an account has its token, so nobody but git has something run as one that the gate believes: not a
// person, and not an operator for a custom resource of a person's.
func TestWorkloadsOfWhoIsBelieved(t *testing.T) {
	here.Declare(t, `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: gitops}
spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: registry.example/a}]}}}
`)
	// An operator's own, whose account is changed afterwards.
	here.KubectlIn(t, "operators/workload-operator", strings.Replace(workloads("gitops", "serviceAccountName", "default")[4].body, "thief", "child", 1),
		"-n", "gitops", "create", "-f", "-").MustAllow(t)
	const strategic, child = "application/strategic-merge-patch+json", apps + "gitops/deployments/child"
	ways := workloads("gitops", "serviceAccountName", "sync")
	for _, w := range workloads("gitops", "serviceAccount", "sync") { // the field's old name
		if strings.Contains(w.what, "Pod ") || strings.Contains(w.what, "CronJob ") {
			ways = append(ways, w)
		}
	}
	ways = append(ways, workloads("cert-manager", "serviceAccountName", "cainjector")[:5]...)
	ways = append(ways, workloads("kube-system", "serviceAccountName", "replicaset-controller")[4])
	ways = append(ways, workloads(gitlatchSystem, "serviceAccountName", "gitlatch-applier")[0], workloads(gitlatchSystem, "serviceAccountName", "gitlatch-reporter")[8])
	ways = append(ways,
		way{"an existing Deployment is given its account", request{http.MethodPatch, child, `{"spec":{"template":{"spec":{"serviceAccountName":"sync"}}}}`, strategic}, "UPDATE deployments gitops/child"},
		way{"its pod is given another image", request{http.MethodPatch, core + "gitops/pods/sync-0", `{"spec":{"containers":[{"name":"none","image":"registry.example/mine"}]}}`, strategic}, "UPDATE pods gitops/sync-0"},
		way{"a pod with a name to be made up", request{http.MethodPost, core + "gitops/pods",
			"apiVersion: v1\nkind: Pod\nmetadata: {generateName: thief-}\nspec: " + podRunning("serviceAccountName", "sync"), ""}, "CREATE pods gitops/thief-*"},
	)
	dave := person(t, "dave")
	t.Run("a person", func(t *testing.T) { refused(t, known(t, dave), dave, ways) })
	t.Run("a controller", func(t *testing.T) {
		who := known(t, "operators/workload-operator")
		refused(t, who, "system:serviceaccount:operators:workload-operator", ways)
		ns := here.NewNamespace(t, "{}")
		for _, w := range append(workloads("gitops", "serviceAccountName", "default"), workloads(ns, "serviceAccountName", "default")...) {
			who.send(t, w.request.dry()).mustAllow(t)
		}
		// The name counts in its own namespace only.
		who.send(t, workloads(ns, "serviceAccountName", "sync")[4].request.dry()).mustAllow(t)
		who.send(t, request{http.MethodPatch, child, `{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":1}}}}`, strategic}).mustAllow(t)
	})
}

// An operator makes what a custom resource says, with the right of its own pod, whoever wrote the resource: so a person
// who may write one has nothing run as git's carrier. In namespace tenants they may write what git does not declare.
func TestChildrenOfAPersonsCustomResource(t *testing.T) {
	here.Declare(t, crdOf("things.example", "runners", "Runner", version{name: "v1", served: true}))
	here.Kubectl(t, "admin", "wait", "--for=condition=Established", "crd/runners.things.example", "--timeout=30s").MustAllow(t)
	dave, who := person(t, "dave"), known(t, "operators/things-operator")
	at := "/apis/things.example/v1/namespaces/tenants/runners"
	known(t, dave).send(t, request{http.MethodPost, at, objectOf("things.example/v1", "Runner", "tenants", "mine", "serviceAccountName: sync"), ""}).mustAllow(t)
	uid := here.Kubectl(t, dave, "-n", "tenants", "get", "runners.things.example", "mine", "-o", "jsonpath={.metadata.uid}").MustAllow(t).Out
	owned := func(r request, name string) request {
		r.body = strings.Replace(r.body, "{name: thief}", "{name: "+name+", ownerReferences: [{apiVersion: things.example/v1, kind: Runner, name: mine, uid: "+uid+", controller: true, blockOwnerDeletion: true}]}", 1)
		return r
	}
	const child = apps + "tenants/deployments/child"
	who.send(t, owned(workloads("tenants", "serviceAccountName", "default")[4].request, "child")).mustAllow(t)
	var ways []way
	for _, w := range workloads("tenants", "serviceAccountName", "sync") {
		w.request = owned(w.request, "thief")
		if !strings.Contains(w.body, uid) {
			t.Fatalf("%s has no owner: %s", w.what, w.body)
		}
		ways = append(ways, w)
	}
	ways = append(ways, way{"the child is given its account", request{http.MethodPatch, child, `{"spec":{"template":{"spec":{"serviceAccountName":"sync"}}}}`, ""}, "UPDATE deployments tenants/child"})
	refused(t, who, "system:serviceaccount:operators:things-operator", ways)
	// The child follows its resource otherwise, which is the person's.
	who.send(t, request{http.MethodPatch, child, `{"spec":{"paused":true}}`, ""}).mustAllow(t)
	known(t, dave).send(t, request{http.MethodDelete, at + "/mine", "", ""}).mustAllow(t)
}

// Whatever git itself brings, with its account or another's, comes.
func TestGitRunsWhatItLikes(t *testing.T) {
	who := known(t, syncer)
	for _, w := range append(workloads("gitops", "serviceAccountName", "sync"), workloads("cert-manager", "serviceAccountName", "cainjector")...) {
		who.send(t, w.request.dry()).mustAllow(t)
	}
}
