package registration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func install() policy.Installation {
	return policy.Installation{Namespace: "gitlatch-system", Webhook: "gitlatch-webhook"}
}

func serviceOptions() Options {
	return Options{
		Install:  install(),
		Service:  &Service{Namespace: "gitlatch-system", Name: "gitlatch-webhook"},
		CABundle: []byte("bundle"),
	}
}

func account(namespace, name string) v1alpha1.Subject {
	return v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: namespace, Name: name}}
}

func flux() v1alpha1.SyncIdentity {
	return v1alpha1.SyncIdentity{Subject: account("flux-system", "kustomize-controller"), FieldManagers: []string{"kustomize-controller"}}
}

func argo() v1alpha1.SyncIdentity {
	return v1alpha1.SyncIdentity{Subject: account("argocd", "application-controller"), FieldManagers: []string{"argocd-controller"}}
}

func changePolicy(name string, tweak func(*v1alpha1.ChangePolicySpec)) *v1alpha1.ChangePolicy {
	p := &v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Mode = v1alpha1.ModeEnforce
	p.Spec.Sync = []v1alpha1.SyncIdentity{flux()}
	if tweak != nil {
		tweak(&p.Spec)
	}
	return p
}

func compiled(t *testing.T, in ...*v1alpha1.ChangePolicy) []*policy.Policy {
	t.Helper()
	var out []*policy.Policy
	for _, p := range in {
		c, errs := policy.Compile(p)
		if len(errs) > 0 {
			t.Fatalf("%s: %v", p.Name, errs.ToAggregate())
		}
		out = append(out, c)
	}
	return out
}

// changePolicy makes a policy of any shape.
func (g *generator) changePolicy(name string) *v1alpha1.ChangePolicy {
	return changePolicy(name, func(s *v1alpha1.ChangePolicySpec) {
		no := false
		s.Mode = pick(g, v1alpha1.ModeEnforce, v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit)
		s.Objects = pick(g, v1alpha1.ScopeAll, v1alpha1.ScopeDeclared)
		s.Fields = pick(g, v1alpha1.ScopeAll, v1alpha1.ScopeDeclared)
		s.Sync = pick(g, []v1alpha1.SyncIdentity{flux()}, []v1alpha1.SyncIdentity{flux()}, []v1alpha1.SyncIdentity{flux(), argo()}, []v1alpha1.SyncIdentity{argo()})
		if g.rarely() {
			s.Sync = append(s.Sync, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{User: "robot"}, FieldManagers: []string{"robot"}})
		}
		if g.rarely() {
			s.Sync = append(s.Sync, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: "deployers"}, FieldManagers: []string{"deploy"}})
		}
		if g.rarely() {
			i := v1alpha1.SyncIdentity{Subject: account("tenant", "deployer"), FieldManagers: []string{"tenant"}, Impersonated: g.often()}
			i.PodBound = &no
			s.Sync = append(s.Sync, i)
		}
		if g.IntN(3) == 0 {
			s.Match.ExcludeNamespaces = pick(g, []string{"kube-node-lease"}, []string{"kube-node-lease", "dev"})
		}
		if g.rarely() {
			s.Match.ClusterScoped = &no
		}
		if g.IntN(3) == 0 {
			s.Match.Resources = []v1alpha1.ResourceRule{
				{APIGroups: []string{""}, Resources: []string{"configmaps", "secrets", "namespaces"}},
				{APIGroups: []string{"apps", "example.com"}, Resources: []string{"*"}},
			}
		}
		if g.IntN(3) == 0 {
			s.Match.ExcludeResources = []v1alpha1.ResourceRule{{APIGroups: []string{"certificates.k8s.io"}, Resources: []string{"*"}}}
		}
		if g.rarely() {
			s.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"gate": "yes"}}
		}
		if g.rarely() {
			s.Match.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"touched": "yes"}}
		}
		if g.IntN(2) == 0 {
			s.Steering = []v1alpha1.ResourceRule{{APIGroups: []string{"kustomize.toolkit.fluxcd.io"}, Resources: []string{"*"}}}
		}
		if g.IntN(3) == 0 {
			s.Trusted = []v1alpha1.TrustedSubject{{Subject: account("cert-manager", "cert-manager-cainjector"),
				Resources: []v1alpha1.ResourceRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}}}}}
		}
		if g.rarely() {
			s.Trusted = append(s.Trusted, v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{Group: pick(g, "system:serviceaccounts:ci", "system:authenticated")},
				Resources: []v1alpha1.ResourceRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}}}, Fields: []string{"data"}})
		}
		if g.rarely() {
			s.Controllers = v1alpha1.ControllersNone
		}
		if g.IntN(3) == 0 {
			s.UntrustedControllers = []v1alpha1.AccountMatch{{Namespace: "ci-runners"}, {Namespace: "kube-system", Name: "coredns"}}
		}
	})
}

// seeded is a generator whose seed is printed, and can be given again.
func seeded(t *testing.T) *generator {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("GITLATCH_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("GITLATCH_SEED=%d", seed)
	return &generator{rand.New(rand.NewPCG(seed, 0))}
}

// What the conditions leave out, the judge allows under every policy; no request
// goes to two entries; and no condition ever fails to evaluate.
func TestWhatTheConditionsSkipTheJudgeAllows(t *testing.T) {
	g := seeded(t)
	skipped, asked := map[string]int{}, 0
	for range 25 {
		var in []*v1alpha1.ChangePolicy
		for i := range g.IntN(4) {
			in = append(in, g.changePolicy(fmt.Sprintf("p%d", i)))
		}
		policies := compiled(t, in...)
		gate, final, err := Compile(serviceOptions(), policies)
		if err != nil {
			t.Fatal(err)
		}
		d := dispatch(t, gate.Webhooks)
		if len(gate.Webhooks) != len(final.Webhooks) {
			t.Fatalf("%d and %d webhooks", len(gate.Webhooks), len(final.Webhooks))
		}
		for range 600 {
			s := g.sample()
			calls := d.calls(t, s.attr)
			if len(calls) > 1 {
				t.Fatalf("%s goes to %v", s.request.Target(), calls)
			}
			if len(calls) == 1 {
				asked++
				continue
			}
			facts := &policy.Facts{Now: time.Unix(1e9, 0), Install: install(),
				Guarded:         pick(g, nil, []string{".data"}, []string{".spec"}),
				NamespaceLabels: pick(g, nil, map[string]string{}, map[string]string{"gate": "yes"})}
			if got := policy.Decide(s.request, policies, facts); got.Action != policy.Allow {
				t.Fatalf("%s %s by %+v is skipped, and the judge would say %s %s (%s)\nrequest: %+v\npolicies: %s",
					s.request.Operation, s.request.Target(), s.request.User, got.Action, got.Class, got.Message, *s.request, specs(in))
			} else {
				skipped[string(got.Class)]++
			}
		}
	}
	t.Logf("%d asked, skipped by class: %v", asked, skipped)
	for _, class := range []v1alpha1.Class{v1alpha1.ClassUngoverned, v1alpha1.ClassOwn, v1alpha1.ClassSync, v1alpha1.ClassSystem, v1alpha1.ClassController} {
		if skipped[string(class)] == 0 {
			t.Errorf("nothing of class %s was skipped, so that nothing is shown about it", class)
		}
	}
}

func specs(in []*v1alpha1.ChangePolicy) string {
	out := ""
	for _, p := range in {
		out += fmt.Sprintf("\n%+v", p.Spec)
	}
	return out
}
