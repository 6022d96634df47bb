package identity

import (
	"context"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/world"
)

// surveyed is what the review of the API server's audit log finds, among what keep selects.
func surveyed(t *testing.T, keep func(*audit.Finding) bool) []audit.Finding {
	t.Helper()
	var list v1alpha1.ChangePolicyList
	world.Must(t, here.Client(t, "admin").List(t.Context(), &list, &client.ListOptions{}))
	log := audit.Log{Install: policy.Installation{
		Namespace: gitlatchSystem, Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter",
	}}
	for i := range list.Items {
		list.Items[i].CreationTimestamp.Reset() // in force all along
		p, errs := policy.Compile(&list.Items[i])
		world.Must(t, errs.ToAggregate())
		log.Policies = append(log.Policies, p)
	}
	file, err := os.Open(here.Plane.AuditLog())
	world.Must(t, err)
	defer file.Close()
	var found []audit.Finding
	_, err = log.Survey(context.WithoutCancel(t.Context()), file, func(f audit.Finding) error {
		if keep(&f) {
			found = append(found, f)
		}
		return nil
	})
	world.Must(t, err)
	return found
}

// forgery is a whole proof of somebody else, and what is written by it.
type forgery struct {
	what string
	as   rest.ImpersonationConfig
	act  request
}

// forgeries show every proof that there is; what they write is called by whom they are.
func forgeries(ns, by string) []forgery {
	id := map[string][]string{policy.ExtraCredentialID: {"JTI=1"}}
	pod := map[string][]string{policy.ExtraCredentialID: {"JTI=1"}, policy.ExtraPodName: {"x-0"}, policy.ExtraPodUID: {"1"}}
	patch := func(value string) request {
		return request{http.MethodPatch, core + ns + "/configmaps/settings", `{"data":{"color":"` + value + by + `"}}`, ""}
	}
	return []forgery{
		{"the sync, with a pod", rest.ImpersonationConfig{UserName: syncUser, UID: "1", Extra: pod}, patch("a")},
		{"the sync, with the mark of Gitlatch's applier", rest.ImpersonationConfig{UserName: syncUser, Extra: map[string][]string{v1alpha1.ExtraSync: {"apps"}}}, patch("b")},
		{"a control-plane account, with a token", rest.ImpersonationConfig{UserName: gcUser, UID: "1", Extra: id, Groups: accountGroups("kube-system")}, patch("c")},
		{"a control-plane user, with a uid", rest.ImpersonationConfig{UserName: "system:kube-controller-manager", UID: "1", Groups: []string{"system:masters"}}, patch("d")},
		{"a control-plane user, with a certificate", rest.ImpersonationConfig{UserName: "system:kube-scheduler", Extra: id, Groups: []string{"system:masters"}}, patch("e")},
		{"a node, with a certificate", rest.ImpersonationConfig{UserName: "system:node:gitlatch-node", Extra: id, Groups: []string{"system:nodes", "system:masters"}}, patch("f")},
		{"a component of Gitlatch, with a pod", rest.ImpersonationConfig{UserName: accountPrefix + gitlatchSystem + ":gitlatch-applier", UID: "1", Extra: pod, Groups: accountGroups(gitlatchSystem)},
			request{http.MethodPost, core + gitlatchSystem + "/secrets", "apiVersion: v1\nkind: Secret\nmetadata: {name: planted-" + by + "}\n", ""}},
		{"any controller, with a pod", rest.ImpersonationConfig{UserName: accountPrefix + "operators:web-operator", UID: "1", Extra: pod}, request{http.MethodPost, core + ns + "/configmaps", configMap(ns, "mine-"+by), ""}},
		{"a machine that is to become a node", rest.ImpersonationConfig{UserName: "system:bootstrap:abcdef", Groups: []string{"system:bootstrappers", "system:masters"}},
			csr("planted-"+by, kubeletSigner, "system:node:gitlatch-node", "system:nodes")},
		{"any account, with a token", rest.ImpersonationConfig{UserName: accountPrefix + "ci:pipeline", UID: "1", Extra: id},
			request{http.MethodPatch, apps + ns + "/deployments/web/status", `{"status":{"conditions":[{"type":"` + by + `","status":"True"}]}}`, ""}},
	}
}

// Whoever may impersonate a uid and the extra of an authenticator shows every proof that there is: a person, or an
// operator with the token of its pod. No admission webhook can tell; the API server's audit log says who did it, and the
// review of it reports each, whatever was written.
func TestForgedProofsAreNoticed(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, configMap(ns, "settings"))
	here.Declare(t, objectOf("apps/v1", "Deployment", ns, "web", "replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: registry.example/a}]}}"))
	forgers := map[string]string{"carol": "carol", "operators/forging-operator": accountPrefix + "operators:forging-operator"}
	var want, got []string
	for login, user := range forgers {
		by := strings.TrimPrefix(login, "operators/")
		for _, f := range forgeries(ns, by) {
			t.Run(f.what+", by "+by, func(t *testing.T) { posing(t, login, f.as).send(t, f.act).mustAllow(t) })
			want = append(want, f.as.UserName+" by "+user)
		}
		for _, path := range []string{core + gitlatchSystem + "/secrets/planted-" + by, csrs + "/planted-" + by} {
			known(t, syncer).send(t, request{http.MethodDelete, path, "", ""}).mustAllow(t)
		}
	}
	for _, f := range surveyed(t, func(f *audit.Finding) bool {
		return f.Reason == v1alpha1.ReasonImpersonation && f.Confidence == v1alpha1.ConfidenceProven && f.Origin != nil &&
			slices.Contains(slices.Collect(maps.Values(forgers)), f.Origin.Impersonator)
	}) {
		got = append(got, f.Requester.Username+" by "+f.Origin.Impersonator)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who is said to have posed (-want +got):\n%s", diff)
	}
}
