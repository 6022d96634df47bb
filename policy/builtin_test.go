package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// gatePart is something that keeps the gate standing.
type gatePart struct {
	name string
	when []tweak
}

func gateParts() []gatePart {
	return []gatePart{
		{"gitlatch.dev/ChangePolicy p", []tweak{of(v1alpha1.Group, "v1alpha1", "changepolicies", "ChangePolicy"), named("", "p")}},
		{"gitlatch.dev/GitSync apps/p", []tweak{of(v1alpha1.Group, "v1alpha1", "gitsyncs", "GitSync"), named("apps", "p")}},
		{"apiextensions.k8s.io/CustomResourceDefinition changerecords.gitlatch.dev", []tweak{of(crdGroup, "v1", crdResource, "CustomResourceDefinition"), named("", "changerecords.gitlatch.dev")}},
		{"rbac.authorization.k8s.io/ClusterRole gitlatch-webhook", []tweak{of(rbacGroup, "v1", "clusterroles", "ClusterRole"), named("", "gitlatch-webhook")}},
		{"rbac.authorization.k8s.io/ClusterRole gitlatch:webhook", []tweak{of(rbacGroup, "v1", "clusterroles", "ClusterRole"), named("", "gitlatch:webhook")}},
		{"flowcontrol.apiserver.k8s.io/FlowSchema gitlatch", []tweak{of("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema"), named("", "gitlatch")}},
		{"scheduling.k8s.io/PriorityClass gitlatch-gate", []tweak{of("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass"), named("", "gitlatch-gate")}},
		{"admissionregistration.k8s.io/ValidatingAdmissionPolicy gitlatch-backstop", []tweak{of("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"), named("", "gitlatch-backstop")}},
		{"Namespace gitlatch-system", []tweak{of("", "v1", "namespaces", "Namespace"), named("gitlatch-system", "gitlatch-system")}},
		{"apps/Deployment gitlatch-system/gitlatch-webhook", []tweak{named("gitlatch-system", "gitlatch-webhook")}},
		{"Secret gitlatch-system/anything", []tweak{of("", "v1", "secrets", "Secret"), named("gitlatch-system", "anything")}},
	}
}

const keeps = " keeps the gate standing, and is changed by a sync identity or break-glass only"

// gate is the answer about a built-in part, under the strictest mode of the
// policies; "" for no policy.
func gate(part string, m v1alpha1.Mode, more ...func(*Decision)) Decision {
	d := denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonBuiltIn, part+keeps, func(d *Decision) { d.Policy = "" })
	switch m {
	case "":
		recordedOnly(v1alpha1.ModeAudit)(&d)
	case v1alpha1.ModeEnforce:
	default:
		recordedOnly(m)(&d)
	}
	return apply(d, more)
}

func TestWhatIsBuiltIn(t *testing.T) {
	for _, part := range gateParts() {
		for _, m := range []v1alpha1.Mode{"", v1alpha1.ModeAudit, v1alpha1.ModeWarn, v1alpha1.ModeEnforce} {
			t.Run(part.name+" under "+string(m), func(t *testing.T) {
				s := newScene(append([]tweak{undeclaredObject, deletes}, part.when...)...)
				var policies []*Policy
				if m != "" {
					mode(m)(s)
					policies = []*Policy{s.policy(t)}
				}
				want := gate(part.name, m)
				if s.req.isCRD() { // would erase every record
					want = gate(part.name, v1alpha1.ModeEnforce)
					if m == "" {
						want.Next = "change it in git"
					}
				}
				if diff := cmp.Diff(want, Decide(s.req, policies, s.facts)); diff != "" {
					t.Errorf("alice deletes (-want +got):\n%s", diff)
				}
				s.req.User = operatorPod()
				if got := Decide(s.req, policies, s.facts); got.Class != v1alpha1.ClassOutOfBand {
					t.Errorf("an operator deletes: %s %s", got.Action, got.Class)
				}
				s.req.User = fluxPod()
				if got := Decide(s.req, policies, s.facts); m != "" && (got.Action != Allow || got.Class != v1alpha1.ClassSync) {
					t.Errorf("the sync deletes: %s %s", got.Action, got.Class)
				}
				s.req.User = gc()
				if got := Decide(s.req, policies, s.facts); got.Action != Allow || got.Class != v1alpha1.ClassSystem {
					t.Errorf("the garbage collector deletes: %s %s", got.Action, got.Class)
				}
			})
		}
	}
}

func TestWhatIsNotBuiltIn(t *testing.T) {
	for name, when := range map[string][]tweak{
		"a CRD whose name only ends alike":     {of(crdGroup, "v1", crdResource, "CustomResourceDefinition"), named("", "records.notgitlatch.dev")},
		"a ClusterRole whose name goes on":     {of(rbacGroup, "v1", "clusterroles", "ClusterRole"), named("", "gitlatchy")},
		"a Role of a name like it elsewhere":   {of(rbacGroup, "v1", "roles", "Role"), named("prod", "gitlatch-webhook")},
		"another namespace":                    {of("", "v1", "namespaces", "Namespace"), named("prod", "prod")},
		"a group that only ends alike":         {of("my.gitlatch.dev", "v1", "x", "X")},
		"the namespace of no installation":     {facts(func(f *Facts) { f.Install = Installation{} }), named("gitlatch-system", "x")},
		"nothing cluster-scoped for no reason": {facts(func(f *Facts) { f.Install = Installation{} }), of("", "v1", "nodes", "Node"), named("", "n1")},
	} {
		s := newScene(append([]tweak{undeclaredObject, deletes}, when...)...)
		if diff := cmp.Diff(ungoverned(), Decide(s.req, nil, s.facts)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheStrictestModeGuardsTheGate(t *testing.T) {
	s := newScene(undeclaredObject, named("gitlatch-system", "x"), deletes)
	var policies []*Policy
	for _, m := range []v1alpha1.Mode{v1alpha1.ModeAudit, v1alpha1.ModeEnforce, v1alpha1.ModeWarn} {
		mode(m)(s)
		policies = append(policies, s.policy(t))
	}
	got := Decide(s.req, policies, s.facts)
	want := gate("apps/Deployment gitlatch-system/x", v1alpha1.ModeEnforce, next("change it in git"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

func TestSystemMastersMayBreakGlassOnTheGate(t *testing.T) {
	asks := []tweak{of("", "v1", "configmaps", "ConfigMap"), named("gitlatch-system", "x"), undeclaredObject, set(glass, incident), facts(authorized), spec(func(s *v1alpha1.ChangePolicySpec) { s.BreakGlass = nil })}
	window := Window{User: "admin", Scope: v1alpha1.WindowObject, Resource: "configmaps", Namespace: "gitlatch-system", Name: "x", Reason: incident, Until: noon().Add(time.Hour)}
	for _, c := range []ruleCase{
		{name: "admin", when: append(asks, by(admin())), want: broken("ConfigMap gitlatch-system/x is changed under break-glass", nil, opens(window), func(d *Decision) { d.Policy = "" })},
		{name: "alice", when: asks, want: denied(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlassUnauthorized, "ConfigMap gitlatch-system/x may be opened by group system:masters only", func(d *Decision) { d.Policy = "" })},
		{name: "a person that the policies allow", when: append(asks, by(oncall()), spec(func(s *v1alpha1.ChangePolicySpec) {
			s.BreakGlass = &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}}
		})),
			want: broken("ConfigMap gitlatch-system/x is changed under break-glass", nil, opens(func() Window { w := window; w.User = "oncall"; return w }()), func(d *Decision) { d.Policy = "" })},
	} {
		if diff := cmp.Diff(c.want, newScene(c.when...).decide(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAPolicyThatCannotWorkIsRefusedWhoeverWritesIt(t *testing.T) {
	const text = `{apiVersion: gitlatch.dev/v1alpha1, kind: ChangePolicy, metadata: {name: p}, spec: {mode: Enforce, sync: [{user: git, fieldManagers: [git]}]}}`
	base := []tweak{of(v1alpha1.Group, "v1alpha1", "changepolicies", "ChangePolicy"), named("", "p"), creates(text)}
	refused := func(detail string) Decision {
		return Decision{
			Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonInvalidPolicy, Mode: v1alpha1.ModeEnforce, Record: v1alpha1.OutcomeDenied,
			Message: "gitlatch.dev/ChangePolicy p can't work: " + detail, Next: "correct the named fields and apply it again",
		}
	}
	for _, c := range []ruleCase{
		{name: "alice writes the first policy", when: base, want: gate("gitlatch.dev/ChangePolicy p", "", next(""))},
		{name: "no sync", when: append(base, set("spec|sync", nil)), want: refused("spec.sync: Required value: without a sync identity git could not write either")},
		{name: "no sync, by a sync identity", when: append(base, by(fluxPod()), set("spec|sync", nil)), want: refused("spec.sync: Required value: without a sync identity git could not write either")},
		{name: "a field of another type", when: append(base, set("spec|mode", int64(1))), want: refused("json: cannot unmarshal number into Go struct field ChangePolicySpec.spec.mode of type v1alpha1.Mode")},
		{name: "no object at all", when: append(base, request(func(r *Request) { r.Object = nil })),
			want: refused(`[spec.mode: Required value: one of Enforce, Warn, Audit, spec.sync: Required value: without a sync identity git could not write either]`)},
		{name: "one that is going may stay as it is", when: append(base, set("metadata|deletionTimestamp", "2026-05-04T12:00:00Z"), set("spec|sync", nil)), want: gate("gitlatch.dev/ChangePolicy p", "", next(""))},
	} {
		s := newScene(c.when...)
		if diff := cmp.Diff(c.want, Decide(s.req, nil, s.facts)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// What operators put into every namespace does no harm in the gate's, and who is
// trusted with Secrets is trusted with the serving certificate.
func TestOperatorsInTheNamespaceOfTheGate(t *testing.T) {
	here := func(group, resource, kind string, more ...tweak) []tweak {
		return append([]tweak{by(operatorPod()), undeclaredObject, of(group, "v1", resource, kind), named("gitlatch-system", "x"), set("data", "new")}, more...)
	}
	trust := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Trusted = []v1alpha1.TrustedSubject{{
			Subject:   v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "ops", Name: "operator"}},
			Resources: []v1alpha1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}}},
		}}
	})
	for _, c := range []struct {
		name string
		when []tweak
		want v1alpha1.Class
	}{
		{"a trust bundle", here("", "configmaps", "ConfigMap"), v1alpha1.ClassController},
		{"a report", here("wgpolicyk8s.io", "policyreports", "PolicyReport"), v1alpha1.ClassController},
		{"a trust bundle that git declared", here("", "configmaps", "ConfigMap", both("metadata|managedFields", managedFields(object(deployment))), deletes), v1alpha1.ClassOutOfBand},
		{"a trust bundle, by an untrusted account", here("", "configmaps", "ConfigMap", spec(func(s *v1alpha1.ChangePolicySpec) {
			s.UntrustedControllers = []v1alpha1.AccountMatch{{Namespace: "ops"}}
		})), v1alpha1.ClassOutOfBand},
		{"a Secret", here("", "secrets", "Secret"), v1alpha1.ClassOutOfBand},
		{"a Secret, by a trusted account", here("", "secrets", "Secret", trust), v1alpha1.ClassTrusted},
		{"endpoints", here("discovery.k8s.io", "endpointslices", "EndpointSlice"), v1alpha1.ClassOutOfBand},
		{"a network policy", here("networking.k8s.io", "networkpolicies", "NetworkPolicy"), v1alpha1.ClassOutOfBand},
		{"a policy, by a trusted account", here(v1alpha1.Group, "gitsyncs", "GitSync", trust), v1alpha1.ClassOutOfBand},
		{"a role of the gate, by a trusted account", here(rbacGroup, "clusterroles", "ClusterRole", trust, named("", "gitlatch-webhook")), v1alpha1.ClassOutOfBand},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newScene(c.when...).decide(t); got.Class != c.want || (got.Action == Allow) != (c.want != v1alpha1.ClassOutOfBand) {
				t.Errorf("%s %s: %s", got.Action, got.Class, got.Message)
			}
		})
	}
}

// What a policy says of operations holds for Gitlatch's own objects too, if it is
// stricter than what is built in.
func TestASyncIsSuspendedAsThePolicySays(t *testing.T) {
	for _, test := range []struct {
		says v1alpha1.Verdict
		want Action
	}{
		{v1alpha1.VerdictDeny, Deny},
		{v1alpha1.VerdictFlag, Flag},
		{v1alpha1.VerdictAllow, Flag},
	} {
		t.Run(string(test.says), func(t *testing.T) {
			s := newScene(undeclaredObject, of(v1alpha1.Group, "v1alpha1", "gitsyncs", "GitSync"), named("gitlatch-system", "prod"), set("spec|suspend", true),
				spec(func(s *v1alpha1.ChangePolicySpec) { s.Operations.Suspend = test.says }))
			got := s.decide(t)
			if got.Action != test.want || got.Class != v1alpha1.ClassOperation {
				t.Errorf("%s as class %s, not %s: %s", got.Action, got.Class, test.want, got.Message)
			}
		})
	}
}
