package registration

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

func threePolicies() []*v1alpha1.ChangePolicy {
	no := false
	return []*v1alpha1.ChangePolicy{
		changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
			s.Match.ExcludeNamespaces = []string{"kube-node-lease", "dev"}
			s.Steering = []v1alpha1.ResourceRule{{APIGroups: []string{"kustomize.toolkit.fluxcd.io"}, Resources: []string{"*"}}}
			s.UntrustedControllers = []v1alpha1.AccountMatch{{Namespace: "ci-runners"}}
		}),
		changePolicy("apps", func(s *v1alpha1.ChangePolicySpec) {
			s.Match.ClusterScoped = &no
			s.Match.ExcludeNamespaces = []string{"kube-node-lease"}
			s.Match.Resources = []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}}}
			s.Sync = []v1alpha1.SyncIdentity{flux(), argo()}
		}),
		changePolicy("team", func(s *v1alpha1.ChangePolicySpec) {
			s.Match.ExcludeNamespaces = []string{"kube-node-lease"}
			s.Sync = []v1alpha1.SyncIdentity{flux(), {Subject: v1alpha1.Subject{Group: "deployers"}, FieldManagers: []string{"deploy"}}}
		}),
	}
}

func manyPolicies(n int) []*v1alpha1.ChangePolicy {
	var out []*v1alpha1.ChangePolicy
	for i := range n {
		out = append(out, changePolicy(fmt.Sprintf("p%03d", i), func(s *v1alpha1.ChangePolicySpec) {
			s.Sync = []v1alpha1.SyncIdentity{{Subject: account(fmt.Sprintf("team-%d", i), "deployer"), FieldManagers: []string{fmt.Sprintf("team-%d", i)}}}
			s.Match.ExcludeNamespaces = []string{fmt.Sprintf("scratch-%d", i)}
			s.Match.Resources = []v1alpha1.ResourceRule{{APIGroups: []string{fmt.Sprintf("team%d.example.com", i)}, Resources: []string{"*"}}}
		}))
	}
	return out
}

func TestConfigurationsAreWhatTheyWere(t *testing.T) {
	for name, in := range map[string][]*v1alpha1.ChangePolicy{
		"none": nil, "one": {changePolicy("cluster", nil)}, "three": threePolicies(),
	} {
		t.Run(name, func(t *testing.T) {
			gate, final, err := Compile(serviceOptions(), compiled(t, in...))
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for _, o := range []any{gate, final} {
				raw, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				got = append(append(got, "---\n"...), raw...)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
			}
		})
	}
}

func TestTheOrderOfPoliciesDoesNotMatter(t *testing.T) {
	policies := compiled(t, threePolicies()...)
	gate, final, err := Compile(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(policies)
	gate2, final2, err := Compile(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{gate, final}, []any{gate2, final2}); diff != "" {
		t.Error(diff)
	}
}

func TestOptionsThatCantWorkAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		tweak func(*Options)
		want  string
	}{
		"no namespace":                {func(o *Options) { o.Install.Namespace = "" }, "the namespace that Gitlatch runs in must be set"},
		"a failure policy of its own": {func(o *Options) { o.FailurePolicy = "Perhaps" }, `failure policy "Perhaps": must be Ignore or Fail`},
		"a Service and a URL":         {func(o *Options) { o.URL = "https://x" }, "exactly one of a Service and a URL must say where the webhook is"},
		"a Service without a name":    {func(o *Options) { o.Service.Name = "" }, "the webhook's Service needs a namespace and a name"},
		"a URL without TLS":           {func(o *Options) { o.Service, o.URL = nil, "http://x" }, `webhook URL "http://x": must be https://host:port, with a path at most`},
	} {
		t.Run(name, func(t *testing.T) {
			o := serviceOptions()
			c.tweak(&o)
			_, _, err := Compile(o, nil)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAURLAndFailAreTakenOver(t *testing.T) {
	o := serviceOptions()
	o.Service, o.URL, o.FailurePolicy = nil, "https://127.0.0.1:9443/", admissionv1.Fail
	gate, final, err := Compile(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{*gate.Webhooks[0].ClientConfig.URL, *final.Webhooks[0].ClientConfig.URL, *gate.Webhooks[0].FailurePolicy}
	want := []any{"https://127.0.0.1:9443/gate", "https://127.0.0.1:9443/final", admissionv1.Fail}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The fastest call is the one never made: these requests reach the gate, or don't.
func TestWhoIsAsked(t *testing.T) {
	policies := compiled(t, changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
		s.Steering = []v1alpha1.ResourceRule{{APIGroups: []string{"kustomize.toolkit.fluxcd.io"}, Resources: []string{"*"}}}
	}))
	gate, _, err := Compile(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	d := dispatch(t, gate.Webhooks)
	pod := map[string][]string{policy.ExtraPodName: {"p"}, policy.ExtraPodUID: {"u"}, policy.ExtraCredentialID: {"c"}}
	minted := map[string][]string{policy.ExtraCredentialID: {"c"}}
	serviceAccount := func(name string, extra map[string][]string) policy.User {
		return policy.User{Name: accountPrefix + name, UID: "u", Extra: extra, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	}
	alice := policy.User{Name: "alice", UID: "u", Groups: []string{"devs"}}
	sync, operator := serviceAccount("flux-system:kustomize-controller", pod), serviceAccount("widgets:operator", pod)
	node := policy.User{Name: "system:node:n1", Groups: []string{"system:nodes"}, Extra: minted}
	main, builtin, namespaces := []string{"gate.gitlatch.dev"}, []string{"builtin.gate.gitlatch.dev"}, []string{"namespaces.gate.gitlatch.dev"}
	for name, c := range map[string]struct {
		user       policy.User
		kind       string
		ns, name   string
		managers   []string
		want       []string
		subresouce string
	}{
		"a person edits a Deployment":                        {alice, "apps/deployments", "prod", "web", nil, main, ""},
		"a person scales one":                                {alice, "apps/deployments", "prod", "web", nil, main, "scale"},
		"the sync applies one":                               {sync, "apps/deployments", "prod", "web", []string{"kustomize-controller"}, nil, ""},
		"the sync's account by a minted token":               {serviceAccount("flux-system:kustomize-controller", minted), "apps/deployments", "prod", "web", nil, main, ""},
		"the sync edits a namespace":                         {sync, "/namespaces", "prod", "prod", nil, nil, ""},
		"the sync edits Gitlatch's own Deployment":           {sync, "apps/deployments", "gitlatch-system", "gitlatch-webhook", nil, nil, ""},
		"the sync edits a policy":                            {sync, "gitlatch.dev/changepolicies", "", "cluster", nil, builtin, ""},
		"the sync edits a GitSync":                           {sync, "gitlatch.dev/gitsyncs", "flux-system", "prod", nil, nil, ""},
		"the garbage collector edits a GitSync":              {serviceAccount("kube-system:generic-garbage-collector", minted), "gitlatch.dev/gitsyncs", "prod", "x", nil, nil, ""},
		"the garbage collector edits a policy":               {serviceAccount("kube-system:generic-garbage-collector", minted), "gitlatch.dev/changepolicies", "", "cluster", nil, builtin, ""},
		"a node posts a pod's status":                        {node, "/pods", "prod", "web-0", nil, nil, "status"},
		"a node posts a status in Gitlatch's namespace":      {node, "/pods", "gitlatch-system", "x", nil, nil, "status"},
		"the garbage collector edits a ReplicaSet":           {serviceAccount("kube-system:generic-garbage-collector", minted), "apps/replicasets", "prod", "web-1", []string{"kustomize-controller"}, nil, ""},
		"an add-on of kube-system is no control plane":       {serviceAccount("kube-system:coredns", minted), "/configmaps", "prod", "x", nil, main, ""},
		"an operator edits what git did not declare":         {operator, "/configmaps", "prod", "x", []string{"operator"}, nil, ""},
		"an operator posts the status of its own kind":       {operator, "example.com/widgets", "prod", "x", []string{"operator"}, nil, "status"},
		"an operator edits what git declared":                {operator, "/configmaps", "prod", "x", []string{"kustomize-controller"}, main, ""},
		"an operator edits a steering kind":                  {operator, "kustomize.toolkit.fluxcd.io/kustomizations", "prod", "x", nil, main, ""},
		"an operator edits something in the sync's own home": {operator, "/configmaps", "flux-system", "x", nil, main, ""},
		"an operator edits a binding":                        {operator, "rbac.authorization.k8s.io/rolebindings", "prod", "x", nil, builtin, ""},
		"a person asks for a certificate":                    {alice, "certificates.k8s.io/certificatesigningrequests", "", "x", nil, builtin, ""},
		"a person asks for a token":                          {alice, "/serviceaccounts", "kube-node-lease", "x", nil, builtin, "token"},
		"a person edits a Deployment in kube-system":         {alice, "apps/deployments", "kube-system", "x", nil, builtin, ""},
		"an operator edits a namespace":                      {operator, "/namespaces", "prod", "prod", nil, namespaces, ""},
		"a person relabels a namespace":                      {alice, "/namespaces", "prod", "prod", nil, namespaces, ""},
		"a person edits Gitlatch's namespace":                {alice, "/namespaces", "gitlatch-system", "gitlatch-system", nil, builtin, ""},
		"a person edits a record":                            {alice, "gitlatch.dev/changerecords", "", "cr-1", nil, builtin, ""},
		"a person edits Gitlatch's CRD":                      {alice, "apiextensions.k8s.io/customresourcedefinitions", "", "changerecords.gitlatch.dev", nil, builtin, ""},
		"a person edits another CRD":                         {alice, "apiextensions.k8s.io/customresourcedefinitions", "", "widgets.example.com", nil, main, ""},
		"a person renews a lease":                            {alice, "coordination.k8s.io/leases", "prod", "x", nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			group, resource, _ := cut(c.kind)
			var entries []any
			for _, m := range c.managers {
				entries = append(entries, map[string]any{"manager": m})
			}
			o := map[string]any{"metadata": map[string]any{"name": c.name, "managedFields": entries}}
			r := &policy.Request{User: c.user, Operation: policy.Update, Namespace: c.ns, Name: c.name, Subresource: c.subresouce,
				Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}, Object: o, Old: o}
			if diff := cmp.Diff(c.want, d.calls(t, plain(r))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What can't be compiled into a short condition is sent.
func TestAHundredPoliciesStillFit(t *testing.T) {
	policies := compiled(t, manyPolicies(400)...)
	gate, _, err := Compile(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range gate.Webhooks {
		if len(w.Rules) > maxRules {
			t.Errorf("%s has %d rules", w.Name, len(w.Rules))
		}
		for _, c := range w.MatchConditions {
			if len(c.Expression) > maxCondition+1<<10 {
				t.Errorf("%s %s has %d characters", w.Name, c.Name, len(c.Expression))
			}
		}
	}
	d := dispatch(t, gate.Webhooks)
	r := &policy.Request{User: policy.User{Name: "alice"}, Operation: policy.Create, Namespace: "prod", Name: "x",
		Resource: schema.GroupVersionResource{Group: "team399.example.com", Version: "v1", Resource: "widgets"},
		Object:   map[string]any{"metadata": map[string]any{"name": "x"}}}
	if diff := cmp.Diff([]string{"gate.gitlatch.dev"}, d.calls(t, plain(r))); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAPlatformAddsIsItsOwn(t *testing.T) {
	want, _, err := Compile(serviceOptions(), compiled(t, threePolicies()...))
	if err != nil {
		t.Fatal(err)
	}
	live := want.DeepCopy()
	live.Labels["kustomize.toolkit.fluxcd.io/name"] = "x"
	for i := range live.Webhooks {
		s := live.Webhooks[i].NamespaceSelector
		s.MatchExpressions = append(s.MatchExpressions, platformRequirements()...)
	}
	if diff := cmp.Diff([]string(nil), differences(live, want)); diff != "" {
		t.Error(diff)
	}
	live.Webhooks[0].NamespaceSelector.MatchExpressions[0].Operator = metav1.LabelSelectorOpExists
	live.Webhooks[1].Rules = nil
	live.Webhooks[2].Name = "evil.example.com"
	delete(live.Labels, v1alpha1.LabelOwner)
	wanted := []string{
		"label gitlatch.dev/owner", "builtin.gate.gitlatch.dev namespaceSelector",
		"namespaces.gate.gitlatch.dev rules", "gate.gitlatch.dev removed", "evil.example.com added",
	}
	if diff := cmp.Diff(wanted, differences(live, want)); diff != "" {
		t.Error(diff)
	}
}

func TestAnInjectedBundleStays(t *testing.T) {
	o := serviceOptions()
	o.CABundle = nil
	want, _, err := Compile(o, compiled(t, threePolicies()...))
	if err != nil {
		t.Fatal(err)
	}
	live := want.DeepCopy()
	live.Webhooks[0].ClientConfig.CABundle = []byte("injected")
	if diff := cmp.Diff([]string(nil), differences(live, want)); diff != "" {
		t.Error(diff)
	}
	adopt(live, want)
	for _, w := range live.Webhooks {
		if string(w.ClientConfig.CABundle) != "injected" {
			t.Errorf("%s lost the bundle", w.Name)
		}
	}
}

func BenchmarkConditions(b *testing.B) {
	c, errs := policy.Compile(changePolicy("cluster", nil))
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	gate, _, err := Compile(serviceOptions(), []*policy.Policy{c})
	if err != nil {
		b.Fatal(err)
	}
	t := &testing.T{}
	d := dispatch(t, gate.Webhooks)
	r := &policy.Request{User: policy.User{Name: "system:node:n1", UID: "u", Groups: []string{"system:nodes"}}, Operation: policy.Update,
		Namespace: "prod", Name: "x", Subresource: "status", Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		Object: map[string]any{"metadata": map[string]any{"name": "x"}}, Old: map[string]any{"metadata": map[string]any{"name": "x"}}}
	attr := plain(r)
	for b.Loop() {
		for i := range d.entries {
			e := &d.entries[i]
			if e.selects(attr) {
				e.matcher.Match(b.Context(), attr, nil, nil)
			}
		}
	}
}
