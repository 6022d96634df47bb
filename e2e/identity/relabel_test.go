package identity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// govern has a policy in force until the test ends. match is in YAML's flow.
func govern(t *testing.T, name, mode, match string) {
	t.Helper()
	world.Must(t, here.Gate.Policy(t.Context(), fmt.Sprintf("apiVersion: gitlatch.dev/v1alpha1\nkind: ChangePolicy\nmetadata: {name: %s}\nspec:\n"+
		"  mode: %s\n  operations: {exec: Deny}\n  match: %s", name, mode, match)+common))
	git := here.Client(t, syncer)
	t.Cleanup(func() {
		p := &v1alpha1.ChangePolicy{}
		p.Name = name
		if err := git.Delete(context.WithoutCancel(t.Context()), p); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
}

// A label of a namespace says which policy governs it, so it is nobody's to change but git's: judged as it was and as it
// would be, by every policy, in whatever write and beside whatever else it carries. That holds for a policy that says
// nothing of namespaces too.
func TestRelabellingANamespace(t *testing.T) {
	govern(t, "strict", "Enforce", `{clusterScoped: false, namespaceSelector: {matchLabels: {tier: strict}}, resources: [{apiGroups: [apps], resources: ["*"]}]}`)
	govern(t, "loose", "Audit", `{clusterScoped: false, namespaceSelector: {matchExpressions: [{key: tier, operator: Exists}]}}`)
	here.Declare(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: relabelled, labels: {gate: other, tier: strict}}\n")
	const at = "/api/v1/namespaces/relabelled"
	whole := func(tier, more string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"relabelled","labels":{"gate":"other"%s%s}},"spec":{"finalizers":["kubernetes"]}}`, tier, more)
	}
	const loose = `,"tier":"loose"`
	leaving := []request{
		{http.MethodPatch, at, `{"metadata":{"labels":{"tier":null}}}`, ""},
		{http.MethodPatch, at, `{"metadata":{"labels":{"tier":"loose"}}}`, ""},
		{http.MethodPatch, at, `{"metadata":{"labels":{"tier":"loose","team":"web"},"annotations":{"owner":"dave"}}}`, ""},
		{http.MethodPatch, at, `[{"op":"remove","path":"/metadata/labels"}]`, "application/json-patch+json"},
		{http.MethodPatch, at, `{"metadata":{"labels":{"tier":"Strict"}}}`, "application/strategic-merge-patch+json"},
		{http.MethodPatch, at + "?fieldManager=mine&force=true", "apiVersion: v1\nkind: Namespace\nmetadata: {name: relabelled, labels: {tier: none}}\n", "application/apply-patch+yaml"},
		{http.MethodPut, at, whole(loose, ""), "application/json"},
		{http.MethodPut, at, whole("", `,"team":"web"`), "application/json"},
		{http.MethodPatch, at + "/status", `{"metadata":{"labels":{"tier":null}}}`, ""},
		{http.MethodPut, at + "/status", whole(loose, ""), "application/json"},
		{http.MethodPut, at + "/finalize", whole(loose, ""), "application/json"},
		{http.MethodPut, at + "/finalize", whole("", ""), "application/json"},
	}
	dave := person(t, "dave")
	for _, who := range []*party{known(t, dave), known(t, operator), known(t, "pipeline")} {
		for _, r := range leaving {
			if strings.Contains(r.path, "?") {
				r.path += "&fieldValidation=Ignore"
			}
			who.send(t, r).mustDeny(t, v1alpha1.ReasonOutOfBand)
		}
	}
	// A controller labels what it likes beside it; so does a person, who is only recorded here.
	for _, who := range []*party{known(t, operator), known(t, dave)} {
		who.send(t, request{http.MethodPatch, at, `{"metadata":{"labels":{"seen":"` + strings.ReplaceAll(who.name, "/", ".") + `"}}}`, ""}).mustAllow(t)
	}
	// The name that a namespace bears as a label stays, whatever is sent: namespaces are left out by it.
	known(t, operator).send(t, request{http.MethodPatch, at, `{"metadata":{"labels":{"kubernetes.io/metadata.name":"kube-node-lease"}}}`, ""})
	for label, want := range map[string]string{"tier": "strict", `kubernetes\.io/metadata\.name`: "relabelled"} {
		if out := here.Kubectl(t, "admin", "get", "namespace", "relabelled", "-o", "jsonpath={.metadata.labels."+label+"}").Out; out != want {
			t.Errorf("label %s is %q, want %q", label, out, want)
		}
	}
	denied := map[string]int{}
	for _, r := range here.Records(t, world.InNamespace("relabelled")) {
		if r.Spec.Outcome == v1alpha1.OutcomeDenied {
			denied[r.Spec.Requester.Username+" "+r.Spec.Policy]++
		}
	}
	want := map[string]int{dave + " strict": 3, accountPrefix + "operators:web-operator strict": 3, accountPrefix + "ci:pipeline strict": 3} // by subresource
	if diff := cmp.Diff(want, denied); diff != "" {
		t.Errorf("denials that are recorded (-want +got):\n%s", diff)
	}
	// Git moves it, and what was strict is only audited.
	workload := objectOf("apps/v1", "Deployment", "relabelled", "web", "replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: registry.example/a}]}}")
	create := request{http.MethodPost, apps + "relabelled/deployments", workload, ""}.dry()
	known(t, dave).send(t, create).mustDeny(t, v1alpha1.ReasonOutOfBand)
	here.Declare(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: relabelled, labels: {gate: other, tier: loose}}\n")
	world.Eventually(t, "the namespace to be governed by the other policy", waitLong, allowedSoon(t, known(t, dave), create))
}
