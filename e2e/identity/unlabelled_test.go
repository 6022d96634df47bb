package identity

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

const waitLong = 60 * time.Second

// allowedSoon asks until a request goes through.
func allowedSoon(t *testing.T, who *party, r request) func(context.Context) error {
	return func(context.Context) error {
		if a := who.send(t, r); a.code >= 300 {
			return fmt.Errorf("it is still %d: %.200s", a.code, a.said)
		}
		return nil
	}
}

// A policy may choose objects by their labels. What shows none (a Scale, an Eviction, the options of a door, a token) is
// governed, and a label is judged as it was and as it would be.
func TestWhatShowsNoLabelsIsGoverned(t *testing.T) {
	govern(t, "selected", "Enforce", `{clusterScoped: false, namespaceSelector: {matchLabels: {gate: selected}}, objectSelector: {matchLabels: {app: guarded}}}`)
	ns := here.NewNamespace(t, "{gate: selected}")
	const spec = "selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: registry.example/a}]}}"
	guarded := func(kind, api, name, spec string) string {
		return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s, labels: {app: guarded}}\n%s\n", api, kind, name, ns, spec)
	}
	here.Declare(t, guarded("Deployment", "apps/v1", "web", "spec: {replicas: 0, "+spec+"}"))
	here.Declare(t, guarded("Pod", "v1", "web-0", "spec: {containers: [{name: a, image: registry.example/a}]}"))
	here.Declare(t, guarded("ConfigMap", "v1", "settings", "data: {color: blue}"))
	dave, carrier := known(t, person(t, "dave")), known(t, operator)
	free := configMap(ns, "a-free")
	dave.send(t, request{http.MethodPost, core + ns + "/configmaps", free, ""}).mustAllow(t) // app: shop

	const unlabel, jsonPatch = `{"metadata":{"labels":{"app":null}}}`, "application/json-patch+json"
	deployment, maps, pod := apps+ns+"/deployments/web", core+ns+"/configmaps", core+ns+"/pods/web-0"
	for _, r := range []request{
		{http.MethodPatch, deployment + "/scale", `{"spec":{"replicas":3}}`, ""},
		{http.MethodPut, deployment + "/scale", `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web","namespace":"` + ns + `"},"spec":{"replicas":3}}`, "application/json"},
		{http.MethodPatch, deployment + "/status", `{"status":{"replicas":1}}`, ""},
		{http.MethodPatch, deployment + "/status", unlabel, ""},
		{http.MethodPatch, deployment, unlabel, ""},
		{http.MethodPatch, deployment, `[{"op":"remove","path":"/metadata/labels"},{"op":"replace","path":"/spec/replicas","value":3}]`, jsonPatch},
		{http.MethodPatch, maps + "/a-free", `{"metadata":{"labels":{"app":"guarded"}}}`, ""}, // into the policy
		{http.MethodPost, maps, guarded("ConfigMap", "v1", "mine", ""), ""},
		{http.MethodDelete, maps + "/settings", "", ""},
		{http.MethodPost, core + ns + "/serviceaccounts/default/token", "{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, spec: {}}", ""},
	} {
		dave.send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand)
	}
	dave.send(t, request{http.MethodPost, pod + "/exec?command=sh", "", ""}).mustDeny(t, v1alpha1.ReasonOperation)
	dave.send(t, request{http.MethodPatch, pod + "/ephemeralcontainers", `{"spec":{"ephemeralContainers":[{"name":"dbg","image":"registry.example/x"}]}}`,
		"application/strategic-merge-patch+json"}).mustDeny(t, v1alpha1.ReasonOperation)
	// A collection is judged object by object: the guarded one stays.
	if a := dave.send(t, request{http.MethodDelete, maps, "", ""}); !a.denied(v1alpha1.ReasonOutOfBand) {
		t.Errorf("a collection with a guarded one: want a denial, got %d: %.300s", a.code, a.said)
	}
	dave.send(t, request{http.MethodGet, maps + "/settings", "", ""}).mustAllow(t)
	dave.send(t, request{http.MethodDelete, maps + "?labelSelector=app=shop", "", ""}).mustAllow(t)

	// An operator: nothing that git declares, and no way out for that.
	for _, r := range []request{
		{http.MethodPatch, deployment + "/scale", `{"spec":{"replicas":3}}`, ""},
		{http.MethodPatch, deployment, unlabel, ""},
		{http.MethodPatch, deployment, `{"metadata":{"labels":{"app":"other","seen":"yes"}}}`, ""},
		{http.MethodPatch, deployment + "/status", unlabel, ""},
		{http.MethodDelete, maps + "/settings", "", ""},
	} {
		carrier.send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand)
	}
	carrier.send(t, request{http.MethodPost, pod + "/exec?command=sh", "", ""}).mustPass(t)
	carrier.send(t, request{http.MethodPatch, deployment + "/status", `{"status":{"replicas":1}}`, ""}).mustAllow(t)
	carrier.send(t, request{http.MethodPost, pod + "/eviction", `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web-0","namespace":"` + ns + `"}}`, "application/json"}.dry()).mustAllow(t)
	dave.send(t, request{http.MethodPost, pod + "/eviction", `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web-0","namespace":"` + ns + `"}}`, "application/json"}).mustAllow(t)
	world.Eventually(t, "records of all that was denied", waitLong, func(context.Context) error {
		if got := recordedIn(t, dave.name, ns); len(got) < 8 {
			return fmt.Errorf("only %v are recorded", got)
		}
		return nil
	})
}
