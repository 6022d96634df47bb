package identity

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

const relays = "/apis/moving.example/"

// relay is a request for what git declared as Relay web, in a version.
func relay(method, version, ns, rest, body string) request {
	return request{method, relays + version + "/namespaces/" + ns + "/relays" + rest, body, ""}
}

// bring has git bring the kind with these versions, and waits until they are served, or no longer.
func bring(t *testing.T, served string, gone string, versions ...version) {
	t.Helper()
	here.Declare(t, crdOf("moving.example", "relays", "Relay", versions...))
	world.Eventually(t, "version "+served+" to be served", waitLong, func(context.Context) error {
		for version, want := range map[string]int{served: http.StatusOK, gone: http.StatusNotFound} {
			if version == "" {
				continue
			}
			if a := known(t, "admin").send(t, request{http.MethodGet, relays + version + "/relays", "", ""}); a.code != want {
				return fmt.Errorf("version %s: %d", version, a.code)
			}
		}
		return nil
	})
}

// guarded asks in one version for what a person may not, and for what an operator may and may not.
func guarded(t *testing.T, version, all, declared string) {
	t.Helper()
	dave, carrier := known(t, person(t, "dave")), known(t, operator)
	for _, ns := range []string{all, declared} {
		for _, who := range []*party{dave, carrier} {
			for _, r := range []request{
				relay(http.MethodPatch, version, ns, "/web", `{"spec":{"size":9}}`),
				relay(http.MethodPatch, version, ns, "/web", `{"spec":{"size":null}}`),
				relay(http.MethodPatch, version, ns, "/web", `{"spec":{"size":9,"mine":1},"metadata":{"labels":{"mine":"yes"}}}`),
				relay(http.MethodPatch, version, ns, "/web/scale", `{"spec":{"replicas":9}}`),
				relay(http.MethodDelete, version, ns, "/web", ""),
			} {
				who.send(t, r.dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
			}
		}
		for _, r := range []request{
			relay(http.MethodPatch, version, ns, "/web", `{"metadata":{"labels":{"seen":"in-`+version+`"}}}`),
			relay(http.MethodPatch, version, ns, "/web", `{"spec":{"mine":1}}`),
			relay(http.MethodPatch, version, ns, "/web/status", `{"status":{"phase":"`+version+`"}}`),
			relay(http.MethodPost, version, ns, "", objectOf("moving.example/"+version, "Relay", ns, "child", "size: 1")),
		} {
			carrier.send(t, r.dry()).mustAllow(t)
		}
		known(t, syncer).send(t, relay(http.MethodPatch, version, ns, "/web", `{"spec":{"size":9}}`).dry()).mustAllow(t)
	}
	mine := relay(http.MethodPost, version, all, "", objectOf("moving.example/"+version, "Relay", all, "mine", "size: 1")).dry()
	dave.send(t, mine).mustDeny(t, v1alpha1.ReasonOutOfBand)
	// Where only what git declared is guarded, a person adds to it what git does not.
	dave.send(t, relay(http.MethodPatch, version, declared, "/web", `{"spec":{"mine":1}}`).dry()).mustAllow(t)
}

// Kinds come, get versions, lose them and go while the gate runs. In every version that is served what git declared is
// guarded, whichever it was declared in, and controllers go on.
func TestKindsAndVersionsComeAndGo(t *testing.T) {
	all, declared := here.NewNamespace(t, "{}"), here.NewNamespace(t, "{gate: declared}")
	v1, v2, v3 := version{"v1", true}, version{"v2", true}, version{"v3", true}
	declare := func(version string) {
		for _, ns := range []string{all, declared} {
			here.Declare(t, objectOf("moving.example/"+version, "Relay", ns, "web", "size: 1, replicas: 1"))
		}
	}
	steps := []struct {
		what string
		do   func(t *testing.T)
	}{
		{"a kind comes", func(t *testing.T) {
			bring(t, "v1", "", v1)
			declare("v1")
			guarded(t, "v1", all, declared)
		}},
		{"a version comes", func(t *testing.T) {
			bring(t, "v2", "", v1, v2)
			guarded(t, "v1", all, declared)
			guarded(t, "v2", all, declared)
		}},
		{"it is stored", func(t *testing.T) {
			bring(t, "v2", "", v2, v1)
			guarded(t, "v1", all, declared)
			guarded(t, "v2", all, declared)
		}},
		{"the one that git declared in is served no longer", func(t *testing.T) {
			for _, ns := range []string{all, declared} { // something writes it, and so it is stored anew
				known(t, operator).send(t, relay(http.MethodPatch, "v2", ns, "/web", `{"metadata":{"labels":{"seen":"yes"}}}`)).mustAllow(t)
			}
			bring(t, "v2", "v1", v2, version{"v1", false})
			guarded(t, "v2", all, declared)
		}},
		{"it is gone", func(t *testing.T) {
			known(t, syncer).send(t, request{http.MethodPatch, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/relays.moving.example/status",
				`{"status":{"storedVersions":["v2"]}}`, ""}).mustAllow(t)
			bring(t, "v3", "v1", v2, v3)
			if before137(t) {
				orphaned(t, all, declared)
				return
			}
			guarded(t, "v2", all, declared)
			guarded(t, "v3", all, declared)
			// Git's entry names a version that nobody knows, and outlives a write of somebody else: it is still what git declared.
			for _, ns := range []string{all, declared} {
				known(t, operator).send(t, relay(http.MethodPatch, "v2", ns, "/web", `{"metadata":{"labels":{"seen":"again"}}}`)).mustAllow(t)
			}
			guarded(t, "v2", all, declared)
			guarded(t, "v3", all, declared)
		}},
		{"git declares it anew in a later one", func(t *testing.T) {
			for _, ns := range []string{all, declared} {
				known(t, syncer).send(t, relay(http.MethodDelete, "v2", ns, "/web", "")).mustAllow(t)
			}
			declare("v3")
			guarded(t, "v2", all, declared)
			guarded(t, "v3", all, declared)
		}},
		{"the kind goes", kindGoes},
	}
	for _, step := range steps {
		t.Run(step.what, step.do)
	}
}

// orphaned: an API server before 1.37 drops git's entry with whatever is written next, since nobody knows its version any
// more. The gate can't tell that from who drops it to own the object, and so leaves it to git, which declares it anew.
func orphaned(t *testing.T, namespaces ...string) {
	t.Helper()
	for _, who := range []*party{known(t, person(t, "dave")), known(t, operator)} {
		for _, ns := range namespaces {
			for _, version := range []string{"v2", "v3"} {
				who.send(t, relay(http.MethodPatch, version, ns, "/web", `{"metadata":{"labels":{"seen":"again"}}}`).dry()).mustDeny(t, v1alpha1.ReasonForged)
				who.send(t, relay(http.MethodPatch, version, ns, "/web", `{"spec":{"size":9}}`).dry()).mustDeny(t, v1alpha1.ReasonForged)
				who.send(t, relay(http.MethodDelete, version, ns, "/web", "").dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
				known(t, syncer).send(t, relay(http.MethodPatch, version, ns, "/web", `{"spec":{"size":9}}`).dry()).mustAllow(t)
			}
		}
	}
}

// kindGoes takes the kind away. A policy that speaks of it, and the registration, stand without it; then it comes again.
func kindGoes(t *testing.T) {
	remove := request{http.MethodDelete, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/relays.moving.example", "", ""}
	for _, who := range []string{person(t, "dave"), operator} {
		known(t, who).send(t, remove).mustDeny(t, v1alpha1.ReasonOutOfBand)
	}
	govern(t, "of-relays", "Enforce", `{clusterScoped: false, namespaceSelector: {matchLabels: {gate: relays}}, resources: [{apiGroups: [moving.example], resources: [relays]}]}`)
	known(t, syncer).send(t, remove).mustAllow(t)
	world.Eventually(t, "the kind to be gone", waitLong, func(context.Context) error {
		if a := known(t, "admin").send(t, request{http.MethodGet, relays + "v2/relays", "", ""}); a.code != http.StatusNotFound {
			return fmt.Errorf("it is answered %d", a.code)
		}
		return nil
	})
	govern(t, "afterwards", "Enforce", `{clusterScoped: false, namespaceSelector: {matchLabels: {gate: relays}}}`)
	ns := here.NewNamespace(t, "{gate: relays}")
	known(t, person(t, "dave")).send(t, writes(ns)[0].dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
	known(t, operator).send(t, writes(ns)[0].dry()).mustAllow(t)
	bring(t, "v1", "", version{"v1", true}) // and it comes again
	known(t, person(t, "dave")).send(t, relay(http.MethodPost, "v1", ns, "", objectOf("moving.example/v1", "Relay", ns, "mine", "size: 1")).dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
	known(t, operator).send(t, relay(http.MethodPost, "v1", ns, "", objectOf("moving.example/v1", "Relay", ns, "mine", "size: 1")).dry()).mustAllow(t)
}

// A built-in kind that is spoken in two versions: what git declared in one, nobody changes in the other.
func TestScalersInBothVersions(t *testing.T) {
	all, declared := here.NewNamespace(t, "{}"), here.NewNamespace(t, "{gate: declared}")
	const target = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nothing}, minReplicas: 2, maxReplicas: 4, "
	for _, ns := range []string{all, declared} {
		here.Declare(t, objectOf("autoscaling/v1", "HorizontalPodAutoscaler", ns, "v1", target+"targetCPUUtilizationPercentage: 70"))
		here.Declare(t, objectOf("autoscaling/v2", "HorizontalPodAutoscaler", ns, "v2", target+"metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]"))
		for _, who := range []*party{known(t, person(t, "dave")), known(t, operator)} {
			for _, version := range []string{"v1", "v2"} {
				for _, name := range []string{"v1", "v2"} {
					at := "/apis/autoscaling/" + version + "/namespaces/" + ns + "/horizontalpodautoscalers/" + name
					who.send(t, request{http.MethodPatch, at, `{"spec":{"maxReplicas":9}}`, ""}.dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
					who.send(t, request{http.MethodDelete, at, "", ""}.dry()).mustDeny(t, v1alpha1.ReasonOutOfBand)
					if who.name == operator {
						who.send(t, request{http.MethodPatch, at + "/status", `{"status":{"currentReplicas":2,"desiredReplicas":2}}`, ""}.dry()).mustAllow(t)
					}
				}
			}
		}
	}
}
