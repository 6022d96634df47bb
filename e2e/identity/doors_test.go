package identity

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

const gitlatchSystem = "gitlatch-system"

// gatesPod is a pod of the webhook.
func gatesPod(t *testing.T) string {
	t.Helper()
	out := here.Kubectl(t, "admin", "-n", gitlatchSystem, "get", "pods", "-l", "app.kubernetes.io/component=webhook", "-o", "jsonpath={.items[0].metadata.name}").MustAllow(t).Out
	if out == "" {
		t.Fatal("the webhook has no pod")
	}
	return out
}

// doorsInto are the ways into one pod. A proxy names a port and a scheme with the pod.
func doorsInto(namespace, pod string) []way {
	at := core + namespace + "/pods/"
	record := func(what, name string) string { return "CONNECT pods/" + what + " " + namespace + "/" + name }
	ways := []way{
		{"exec", request{http.MethodPost, at + pod + "/exec?command=sh", "", ""}, record("exec", pod)},
		{"exec, by a socket", request{http.MethodGet, at + pod + "/exec?command=sh", "", ""}, record("exec", pod)},
		{"attach", request{http.MethodPost, at + pod + "/attach", "", ""}, record("attach", pod)},
		{"port-forward", request{http.MethodPost, at + pod + "/portforward?ports=80", "", ""}, record("portforward", pod)},
		{"a debug container", request{http.MethodPatch, at + pod + "/ephemeralcontainers",
			`{"spec":{"ephemeralContainers":[{"name":"dbg","image":"registry.example/x","targetContainerName":"none"}]}}`, "application/strategic-merge-patch+json"},
			"UPDATE pods/ephemeralcontainers " + namespace + "/" + pod},
	}
	for _, name := range []string{pod, pod + ":8080", "http:" + pod + ":8080", "https:" + pod + ":8443", "https:" + pod + ":"} {
		for _, path := range []string{"/proxy", "/proxy/token"} {
			ways = append(ways, way{"proxy to " + name + path, request{http.MethodGet, at + name + path, "", ""}, record("proxy", pod)})
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		ways = append(ways, way{"proxy, " + method, request{method, at + pod + ":8080/proxy/", "", ""}, record("proxy", pod)})
	}
	for i := range ways {
		ways[i].what += " into " + namespace + "/" + pod
	}
	return ways
}

// Whoever gets into a pod of an account that the gate believes has its token.
func TestDoorsIntoPodsOfWhoIsBelieved(t *testing.T) {
	dave := person(t, "dave")
	ways := doorsInto("gitops", "sync-0")
	ways = append(ways, doorsInto("cert-manager", "cainjector-0")...)
	ways = append(ways, doorsInto(gitlatchSystem, gatesPod(t))...)
	const node = "/api/v1/nodes/"
	for _, name := range []string{"gitlatch-node", "https:gitlatch-node:10250"} {
		for _, path := range []string{"run/gitops/sync-0/none", "exec/gitops/sync-0/none?command=sh", "attach/gitops/sync-0/none", "portForward/gitops/sync-0", "metrics/../run/x/y/z"} {
			ways = append(ways, way{"the kubelet's " + path + " by " + name, request{http.MethodPost, node + name + "/proxy/" + strings.ReplaceAll(path, "..", "%2e%2e"), "", ""},
				"CONNECT nodes/proxy /gitlatch-node"})
		}
	}
	for _, name := range []string{"web", "web:80", "https:web:443"} {
		ways = append(ways, way{"a Service beside the sync, " + name, request{http.MethodGet, core + "gitops/services/" + name + "/proxy/", "", ""}, "CONNECT services/proxy gitops/web"})
	}
	t.Run("a person", func(t *testing.T) { refused(t, known(t, dave), dave, ways) })
	t.Run("a controller", func(t *testing.T) {
		refused(t, known(t, "operators/door-operator"), "system:serviceaccount:operators:door-operator", ways)
	})
}

// A door into a pod of nobody in particular is an operation, which this policy refuses to persons; a proxy it lets be,
// and a controller may go about its work.
func TestDoorsIntoOtherPods(t *testing.T) {
	dave := known(t, person(t, "dave"))
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: web-0, namespace: "+ns+"}\nspec: {containers: [{name: a, image: registry.example/a}]}\n")
	world.Must(t, here.Plane.MarkRunning(t.Context(), ns, "web-0"))
	exec := request{http.MethodPost, core + ns + "/pods/web-0/exec?command=sh", "", ""}
	dave.send(t, exec).mustDeny(t, v1alpha1.ReasonOperation)
	known(t, operator).send(t, exec).mustPass(t)
	for _, name := range []string{"web-0", "web-0:8080", "https:web-0:8443"} {
		dave.send(t, request{http.MethodGet, core + ns + "/pods/" + name + "/proxy/", "", ""}).mustPass(t)
	}
	// In a namespace of somebody who is believed, too: the pod says whose it is. One that is not there lets nobody in.
	here.Declare(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: web-0, namespace: gitops}\nspec: {containers: [{name: a, image: registry.example/a}]}\n")
	for _, name := range []string{"web-0:8080", "https:web-0:", "nobody:80"} {
		dave.send(t, request{http.MethodGet, core + "gitops/pods/" + name + "/proxy/", "", ""}).mustPass(t)
	}
	known(t, operator).send(t, request{http.MethodPost, core + "gitops/pods/web-0/exec?command=sh", "", ""}).mustPass(t)
}
