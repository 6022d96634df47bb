package identity

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A token is the name and the proof at once: of an account that the gate believes nobody else gets one, plain or bound
// to its pod, and of any account none that is bound to a pod.
func TestTokensOfWhoIsBelieved(t *testing.T) {
	operatorsToken := func(name, spec string) request {
		return request{http.MethodPost, core + "operators/serviceaccounts/" + name + "/token",
			"{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, spec: " + spec + "}", ""}
	}
	var ways []way
	for _, a := range []struct{ namespace, name string }{
		{"gitops", "sync"}, {"cert-manager", "cainjector"}, {"kube-system", "replicaset-controller"}, {"kube-system", "namespace-controller"},
		{gitlatchSystem, "gitlatch-webhook"}, {gitlatchSystem, "gitlatch-applier"}, {gitlatchSystem, "gitlatch-reporter"},
	} {
		for how, spec := range map[string]string{
			"plain": "{}", "bound to its pod": "{boundObjectRef: {apiVersion: v1, kind: Pod, name: " + a.name + "-0}}",
			"bound to a node":   "{boundObjectRef: {apiVersion: v1, kind: Node, name: gitlatch-node}}",
			"for another place": "{audiences: [elsewhere]}",
		} {
			ways = append(ways, way{
				a.namespace + "/" + a.name + ", " + how,
				request{http.MethodPost, core + a.namespace + "/serviceaccounts/" + a.name + "/token",
					"{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, spec: " + spec + "}", ""},
				fmt.Sprintf("CREATE serviceaccounts/token %s/%s", a.namespace, a.name),
			})
		}
	}
	ways = append(ways, way{
		"one's own, bound to one's own pod", operatorsToken("web-operator", "{boundObjectRef: {apiVersion: v1, kind: Pod, name: web-operator-0}}"),
		"CREATE serviceaccounts/token operators/web-operator",
	})
	dave := person(t, "dave")
	t.Run("a person", func(t *testing.T) { refused(t, known(t, dave), dave, ways) })
	t.Run("a controller", func(t *testing.T) {
		const name = "system:serviceaccount:operators:token-operator"
		who := known(t, "operators/token-operator")
		refused(t, who, name, ways)
		// What proves nothing is a controller's to ask for, as a build system does for its jobs.
		who.send(t, operatorsToken("web-operator", "{}")).mustAllow(t)
	})
}

// A token of the sync's account that was minted before anybody was guarded is worth what a person's is.
func TestAMintedTokenOfTheSync(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, configMap(ns, "settings"))
	minted := known(t, syncer+":unbound")
	for _, r := range writes(ns) {
		minted.send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand)
	}
	if got := recordedIn(t, syncUser, ns); len(got) != len(writes(ns)) {
		t.Errorf("%v is recorded, want all %d", got, len(writes(ns)))
	}
}
