package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/test/world"
)

// etcd asks etcd past any API server, by its JSON gateway.
func etcd(t *testing.T, call string, ask, answer any) {
	t.Helper()
	body, err := json.Marshal(ask)
	world.Must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, here.Plane.EtcdURL()+"/v3/kv/"+call, bytes.NewReader(body))
	world.Must(t, err)
	response, err := http.DefaultClient.Do(request)
	world.Must(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	world.Must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("asking etcd to %s: %s: %s", call, response.Status, content)
	}
	world.Must(t, json.Unmarshal(content, answer))
}

// stored puts an object into etcd as it is written here: older than managedFields, or with what no API server stores.
func stored(t *testing.T, key, object string) {
	t.Helper()
	etcd(t, "put", map[string]any{"key": []byte(key), "value": []byte(object)}, &struct{}{})
}

// oddRequests are requests in which something that conditions ask for is absent or null, each on objects of a namespace.
func oddRequests(ns string) []request {
	const apply = "application/apply-patch+yaml"
	gadgets, maps := "/apis/absent.example/v1/namespaces/"+ns+"/gadgets", core+ns+"/configmaps"
	return []request{
		{http.MethodPost, maps, configMap(ns, "mine"), ""},                                                // no old object
		{http.MethodPost, maps, "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: mine-}\n", ""}, // no name
		{http.MethodPatch, maps + "/declared", `{"data":{"color":"red"}}`, ""},                            //
		{http.MethodPatch, maps + "/declared?fieldManager=mine&force=true", configMap(ns, "declared")[:0] + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: declared}\ndata: {color: red}\n", apply},
		{http.MethodPatch, maps + "/unmanaged", `{"data":{"color":"red"}}`, ""},                                                               // no managedFields in the old
		{http.MethodPatch, maps + "/declared", `{"metadata":{"managedFields":[{}]},"data":{"color":"red"}}`, ""},                              // none in the new
		{http.MethodPatch, maps + "/declared", `{"metadata":{"managedFields":null},"data":{"color":"red"}}`, ""},                              // null
		{http.MethodDelete, maps + "/declared", "", ""},                                                                                       // no new object
		{http.MethodDelete, maps + "/unmanaged", "", ""},                                                                                      //
		{http.MethodDelete, maps, "", ""},                                                                                                     // no name
		{http.MethodPost, gadgets, objectOf("absent.example/v1", "Gadget", ns, "mine", ""), ""},                                               //
		{http.MethodPatch, gadgets + "/null", `{"spec":{"size":2}}`, ""},                                                                      // managedFields is null
		{http.MethodPatch, gadgets + "/bare", `{"spec":{"size":2}}`, ""},                                                                      // there is none
		{http.MethodPatch, gadgets + "/bare/status", `{"status":{"phase":"Ready"},"metadata":{"labels":{"a":"b"}}}`, ""},                      // a subresource
		{http.MethodPatch, gadgets + "/bare/scale", `{"spec":{"replicas":2}}`, ""},                                                            // no metadata to speak of
		{http.MethodDelete, gadgets + "/null", "", ""},                                                                                        //
		{http.MethodDelete, gadgets, "", ""},                                                                                                  //
		{http.MethodPost, rbac + "clusterroles", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: mine}\n", ""}, // no namespace
		{http.MethodPost, "/apis/scheduling.k8s.io/v1/priorityclasses", "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {generateName: mine-}\nvalue: 1\n", ""},
		{http.MethodDelete, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.absent.example", "", ""},
		{http.MethodDelete, "/api/v1/namespaces/" + ns, "", ""},
		{http.MethodPost, core + ns + "/secrets", "apiVersion: v1\nkind: Secret\nmetadata: {name: mine}\n", ""}, // no type
		{http.MethodPost, core + ns + "/pods/web-0/exec?command=sh", "", ""},                                    // options, and no object
		{http.MethodGet, core + ns + "/pods/web-0/exec?command=sh", "", ""},                                     // by a socket
		{http.MethodPost, core + ns + "/pods/web-0/eviction", `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web-0"}}`, "application/json"},
	}
}

// oddPeople are requesters of whom something is absent or empty. None of them is let through.
func oddPeople(t *testing.T) map[string]*party {
	empty := map[string][]string{policy.ExtraPodName: {""}, policy.ExtraPodUID: {""}, policy.ExtraCredentialID: {""}, v1alpha1.ExtraSync: {""}}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("group-%d", i))
	}
	config := here.Plane.Config("alice")
	nobody := rest.AnonymousClientConfig(config)
	out := map[string]*party{
		"nobody at all":              partyOf(t, "system:anonymous", nobody),
		"a name alone":               posing(t, "alice", rest.ImpersonationConfig{UserName: stranger}),
		"a certificate":              known(t, person(t, "erin")), // extra, no uid
		"a token of the token file":  known(t, "alice"),           // a uid, no extra
		"an empty extra":             posing(t, "alice", rest.ImpersonationConfig{UserName: stranger, Extra: empty}),
		"a sync with an empty extra": posing(t, "alice", rest.ImpersonationConfig{UserName: syncUser, UID: "1", Extra: empty}),
		"an account of empty groups": posing(t, "alice", rest.ImpersonationConfig{UserName: gcUser, Groups: []string{"system:masters", ""}}),
		"many groups":                posing(t, "alice", rest.ImpersonationConfig{UserName: "frank", Groups: append(many, "system:masters", "system:nodes")}),
		"many, of a node":            posing(t, "alice", rest.ImpersonationConfig{UserName: "system:node:n1", Groups: append(many, "system:masters", "system:nodes")}),
	}
	return out
}

// oddPlace is a namespace with what oddRequests speak of.
func oddPlace(t *testing.T) string {
	t.Helper()
	here.Declare(t, crdOf("absent.example", "gadgets", "Gadget", version{"v1", true}))
	here.Kubectl(t, "admin", "wait", "--for=condition=Established", "crd/gadgets.absent.example", "--timeout=30s").MustAllow(t)
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, configMap(ns, "declared"))
	here.Declare(t, fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: web-0, namespace: %s}\nspec: {containers: [{name: a, image: registry.example/a}]}\n", ns))
	const uid = `"creationTimestamp":"2026-01-01T00:00:00Z","uid":"00000000-0000-4000-8000-00000000000%d"`
	stored(t, "/registry/configmaps/"+ns+"/unmanaged", fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"unmanaged","namespace":"%s",`+uid+`},"data":{"color":"blue"}}`, ns, 1))
	for i, name := range []string{"null", "bare"} {
		managed := map[string]string{"null": `,"managedFields":null,"labels":null,"annotations":null`}[name]
		stored(t, "/registry/absent.example/gadgets/"+ns+"/"+name, fmt.Sprintf(`{"apiVersion":"absent.example/v1","kind":"Gadget","metadata":{"name":"%s","namespace":"%s","generation":1,`+uid+managed+`},"spec":{"size":1,"replicas":1}}`, name, ns, i+2))
	}
	return ns
}

// Whatever is absent: the API server evaluates the conditions without an error, which would be a lock-out under Fail and a
// bypass under Ignore. Nobody is let past, and whoever is let through is not held up.
func TestWhateverIsAbsent(t *testing.T) {
	ns := oddPlace(t)
	for _, failure := range []admissionv1.FailurePolicyType{admissionv1.Fail, admissionv1.Ignore} {
		t.Run(string(failure), func(t *testing.T) {
			before := evaluated(t)
			if failure == admissionv1.Ignore {
				defer ignoring(t)()
			}
			for what, who := range oddPeople(t) {
				t.Run(what, func(t *testing.T) {
					for _, r := range oddRequests(ns) {
						a := who.send(t, r.dry())
						if strings.Contains(r.path, "/eviction") { // an operation that the policy allows
							if strings.Contains(a.said, "webhook") {
								t.Errorf("%s: want it to pass the gate, got %d: %.300s", a.what, a.code, a.said)
							}
							continue
						}
						if !a.denied(v1alpha1.ReasonOutOfBand) && !a.denied(v1alpha1.ReasonForged) && !a.denied(v1alpha1.ReasonOperation) {
							t.Errorf("%s %.80s: want a denial by the gate, got %d: %.300s", a.what, r.body, a.code, a.said)
						}
					}
				})
			}
			for _, who := range []*party{known(t, syncer), known(t, "system:kube-controller-manager"), known(t, operator)} {
				for _, r := range oddRequests(ns) {
					if who.name == operator && notAnOperators(r) {
						continue
					}
					who.send(t, r.dry()).mustPass(t)
				}
			}
			evaluated(t).mustHaveNoErrorSince(t, before)
		})
	}
}

// notAnOperators: what git declares is not an operator's, nor is what holds it.
func notAnOperators(r request) bool {
	return strings.Contains(r.path, "/declared") || r.method == http.MethodDelete && holding.MatchString(r.path)
}

var holding = regexp.MustCompile(`configmaps$|namespaces/[^/]+$|customresource`)
