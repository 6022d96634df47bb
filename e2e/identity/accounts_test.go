package identity

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// The account object says which Secrets hold its token, with whose keys its images are pulled, and, by annotation, whom
// it is to the cloud. A Secret of its token is its token.
func TestAccountsAndSecretsOfWhoIsBelieved(t *testing.T) {
	var ways []way
	for _, a := range []struct{ namespace, name string }{
		{"gitops", "sync"}, {"cert-manager", "cainjector"}, {gitlatchSystem, "gitlatch-applier"}, {"kube-system", "generic-garbage-collector"},
	} {
		at := core + a.namespace + "/serviceaccounts/" + a.name
		changed, deleted := fmt.Sprintf("UPDATE serviceaccounts %s/%s", a.namespace, a.name), fmt.Sprintf("DELETE serviceaccounts %s/%s", a.namespace, a.name)
		for what, patch := range map[string]string{
			"a pull secret": `{"imagePullSecrets":[{"name":"mine"}]}`, "a secret": `{"secrets":[{"name":"mine"}]}`,
			"an identity of the cloud": `{"metadata":{"annotations":{"eks.amazonaws.com/role-arn":"arn:aws:iam::1:role/mine"}}}`,
			"another one":              `{"metadata":{"annotations":{"iam.gke.io/gcp-service-account":"mine@example.iam.gserviceaccount.com"}}}`,
			"a label":                  `{"metadata":{"labels":{"azure.workload.identity/use":"true"}}}`,
			"no token in pods":         `{"automountServiceAccountToken":false}`,
		} {
			ways = append(ways, way{what + " for " + a.namespace + "/" + a.name, request{http.MethodPatch, at, patch, ""}, changed})
		}
		ways = append(ways,
			way{"the deletion of " + a.namespace + "/" + a.name, request{http.MethodDelete, at, "", ""}, deleted},
			way{"a Secret for a token of " + a.namespace + "/" + a.name, request{http.MethodPost, core + a.namespace + "/secrets",
				"apiVersion: v1\nkind: Secret\nmetadata: {name: thief, annotations: {kubernetes.io/service-account.name: " + a.name + "}}\ntype: kubernetes.io/service-account-token\n", ""},
				"CREATE secrets " + a.namespace + "/thief"})
	}
	ways = append(ways, tokenSecrets(t)...)
	dave := person(t, "dave")
	t.Run("a person", func(t *testing.T) { refused(t, known(t, dave), dave, ways) })
	t.Run("a controller", func(t *testing.T) {
		who := known(t, "operators/account-operator")
		refused(t, who, "system:serviceaccount:operators:account-operator", ways)
		who.send(t, request{http.MethodPatch, core + "gitops/serviceaccounts/default", `{"imagePullSecrets":[{"name":"mine"}]}`, ""}.dry()).mustAllow(t)
		who.send(t, request{http.MethodPost, core + "operators/secrets", "apiVersion: v1\nkind: Secret\nmetadata: {name: own, annotations: {kubernetes.io/service-account.name: web-operator}}\n" +
			"type: kubernetes.io/service-account-token\n", ""}.dry()).mustAllow(t)
	})
}

// tokenSecrets are the ways to change or take away a Secret of a token that git made for the sync's account, and to turn
// another Secret into one.
func tokenSecrets(t *testing.T) []way {
	t.Helper()
	const of = "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: gitops%s}\ntype: kubernetes.io/service-account-token\n"
	here.Declare(t, fmt.Sprintf(of, "kept", ", annotations: {kubernetes.io/service-account.name: sync}"))
	// By nobody's hand that counts as declared: it is guarded as what it is, not because git's name is on it.
	here.KubectlIn(t, syncer, fmt.Sprintf(of, "bare", ", annotations: {kubernetes.io/service-account.name: sync}"), "create", "-f", "-", "--field-manager=else").MustAllow(t)
	var ways []way
	for _, name := range []string{"kept", "bare"} {
		at := core + "gitops/secrets/" + name
		for what, patch := range map[string]string{
			"a label on":        `{"metadata":{"labels":{"mine":"yes"}}}`,
			"another token in":  `{"data":{"token":"eA=="}}`,
			"another account's": `{"metadata":{"annotations":{"kubernetes.io/service-account.name":"default"}}}`,
		} {
			ways = append(ways, way{what + " the Secret " + name, request{http.MethodPatch, at, patch, ""}, "UPDATE secrets gitops/" + name})
		}
		ways = append(ways, way{"the deletion of the Secret " + name, request{http.MethodDelete, at, "", ""}, "DELETE secrets gitops/" + name})
	}
	return ways
}

// What tells git's carrier what to carry is git's, whole: its status too, but for the controller that reports it.
func TestSteering(t *testing.T) {
	here.Declare(t, crdOf("steering.example", "sources", "Source", version{name: "v1", served: true}, version{name: "v2", served: true}))
	here.Kubectl(t, "admin", "wait", "--for=condition=Established", "crd/sources.steering.example", "--timeout=30s").MustAllow(t)
	ns := here.NewNamespace(t, "{}")
	declaredOnly := here.NewNamespace(t, "{gate: declared}")
	dave := person(t, "dave")
	for _, ns := range []string{ns, declaredOnly} {
		// One that git declares, and one that only git's carrier wrote, under another name: steering is guarded either way.
		here.Declare(t, objectOf("steering.example/v1", "Source", ns, "apps", "url: https://git.example/ops"))
		here.KubectlIn(t, syncer, objectOf("steering.example/v1", "Source", ns, "loose", "url: https://git.example/ops"), "create", "-f", "-", "--field-manager=else").MustAllow(t)
		for _, version := range []string{"v1", "v2"} {
			at := "/apis/steering.example/" + version + "/namespaces/" + ns + "/sources"
			requests := []request{
				{http.MethodPost, at, objectOf("steering.example/"+version, "Source", ns, "mine", "url: https://git.example/mine"), ""},
				{http.MethodDelete, at, "", ""},
			}
			for _, name := range []string{"apps", "loose"} {
				requests = append(requests,
					request{http.MethodPatch, at + "/" + name, `{"spec":{"url":"https://git.example/mine"}}`, ""},
					request{http.MethodPatch, at + "/" + name, `{"metadata":{"labels":{"mine":"yes"}}}`, ""},
					request{http.MethodDelete, at + "/" + name, "", ""})
			}
			status := []request{
				{http.MethodPatch, at + "/apps/status", `{"status":{"revision":"mine"}}`, ""},
				{http.MethodPatch, at + "/loose/status", `{"status":{"revision":"mine"}}`, ""},
			}
			for _, who := range []*party{known(t, dave), known(t, operator)} {
				for _, r := range requests {
					who.send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand)
				}
			}
			for _, r := range status {
				known(t, dave).send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand)
				known(t, "pipeline").send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand) // a minted token reports nothing
				known(t, operator).send(t, r.dry()).mustAllow(t)
			}
		}
		// What a person did to the status is one more change of the same object; a minted token did nothing else.
		for user, want := range map[string][]string{
			dave:         {"CREATE sources/mine", "DELETE sources/apps", "DELETE sources/loose", "UPDATE sources/apps", "UPDATE sources/apps/status", "UPDATE sources/loose", "UPDATE sources/loose/status"},
			operatorUser: {"CREATE sources/mine", "DELETE sources/apps", "DELETE sources/loose", "UPDATE sources/apps", "UPDATE sources/loose"},
			pipelineUser: {"UPDATE sources/apps/status", "UPDATE sources/loose/status"},
		} {
			if diff := cmp.Diff(want, recordedIn(t, user, ns)); diff != "" {
				t.Errorf("of %s in %s there is recorded (-want +got):\n%s", user, ns, diff)
			}
		}
	}
}
