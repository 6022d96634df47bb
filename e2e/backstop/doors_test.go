package backstop

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/test/world"
)

// through opens a door into a pod, past what kubectl would look up first.
func through(t *testing.T, user, ns, pod, door string) world.Result {
	t.Helper()
	return here.KubectlIn(t, user, "{}", "create", "--raw", "/api/v1/namespaces/"+ns+"/pods/"+pod+"/"+door, "-f", "-")
}

// doors are the operations that a policy names exec.
func doors() []string { return []string{"exec?command=sh", "attach", "portforward?ports=80"} }

// Into the pod of git's carrier, where the policy denies exec: a person gets in by no door but a proxy, and a pod-bound
// controller by every one that does not change the pod. Whose pod it is is not in the request, so that only the webhook
// can tell (docs/decisions/0028, docs/threat-model.md).
func TestDoorsIntoTheCarriersPodWithEveryWebhookDead(t *testing.T) {
	dead(t)
	for _, door := range doors() {
		refused(t, through(t, "alice", "gitops", "sync-0", door), "OutOfBand")
		refused(t, through(t, unbound, "gitops", "sync-0", door), "OutOfBand")
		passes(t, through(t, operator, "gitops", "sync-0", door))
	}
	for _, user := range []string{"alice", operator} {
		refused(t, here.Kubectl(t, user, "-n", "gitops", "debug", "sync-0", "--image=registry.example/x", "-c", "dbg"), "Credential")
		passes(t, through(t, user, "gitops", "sync-0", "proxy/"))
		refused(t, here.KubectlIn(t, user, "{}", "create", "--raw", "/api/v1/namespaces/gitops/services/web/proxy/", "-f", "-"), "Credential")
	}
}

// Where the policy lets people exec, they get into that pod too, which the webhook alone would refuse.
func TestDoorsIntoTheCarriersPodWhereExecIsAllowed(t *testing.T) {
	namespace := func(labels string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: gitops, labels: " + labels + "}\n"
	}
	t.Cleanup(func() { world.Must(t, here.Gate.Apply(context.Background(), namespace("{}"))) })
	here.Declare(t, namespace("{gate: standby}")) // whose policy leaves exec as it is
	for _, door := range doors() {
		through(t, "alice", "gitops", "sync-0", door).MustDeny(t, "Credential")
	}
	dead(t)
	for _, door := range doors() {
		passes(t, through(t, "alice", "gitops", "sync-0", door))
	}
	refused(t, here.Kubectl(t, "alice", "-n", "gitops", "debug", "sync-0", "--image=registry.example/x", "-c", "dbg"), "Credential")
}

// A part of a proof is none, whoever is posed as. All of it is one, which docs/threat-model.md says.
func TestPosingWithEveryWebhookDead(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	declareShop(t, ns)
	dead(t)
	const accounts = "system:serviceaccount:"
	whole := map[string][]string{policy.ExtraPodName: {"x-0"}, policy.ExtraPodUID: {"1"}, policy.ExtraCredentialID: {"JTI=1"}}
	only := func(keys ...string) map[string][]string {
		out := map[string][]string{}
		for _, k := range keys {
			out[k] = whole[k]
		}
		return out
	}
	parts := map[string]rest.ImpersonationConfig{
		"a uid alone":            {UID: "1"},
		"a credential alone":     {Extra: only(policy.ExtraCredentialID)},
		"a pod without a uid":    {Extra: only(policy.ExtraPodName, policy.ExtraPodUID)},
		"all but a uid":          {Extra: whole},
		"a uid and half a pod":   {UID: "1", Extra: only(policy.ExtraPodName)},
		"a uid and an empty pod": {UID: "1", Extra: map[string][]string{policy.ExtraPodName: {""}, policy.ExtraPodUID: {""}}},
		"an id of somebody else": {UID: "1", Extra: map[string][]string{"example.com/credential-id": {"JTI=1"}}},
	}
	write := func(as rest.ImpersonationConfig) error {
		config := rest.CopyConfig(here.Plane.Config("alice"))
		config.Impersonate = as
		settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "settings"}}
		return here.ClientOf(t, config).Patch(t.Context(), settings, client.RawPatch("application/merge-patch+json", []byte(`{"data":{"color":"red"}}`)), client.DryRunAll)
	}
	for _, user := range []string{"gitops:sync", "kube-system:generic-garbage-collector", "gitlatch-system:gitlatch-webhook"} {
		for what, as := range parts {
			as.UserName, as.Groups = accounts+user, []string{"system:masters", "system:serviceaccounts"}
			if err := write(as); !byBackstop(err) || !strings.Contains(err.Error(), "OutOfBand: ") {
				t.Errorf("%s with %s: want a denial by the backstop, got %v", user, what, err)
			}
		}
		as := rest.ImpersonationConfig{UserName: accounts + user, UID: "1", Groups: []string{"system:masters"}, Extra: whole}
		if err := write(as); err != nil && user != "gitlatch-system:gitlatch-webhook" { // whose right is to its own kinds
			t.Errorf("%s with everything shown: %v", user, err)
		}
	}
}
