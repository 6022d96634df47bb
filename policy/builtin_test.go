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

const aRecord = `{apiVersion: gitlatch.dev/v1alpha1, kind: ChangeRecord, metadata: {name: cr-1}, spec: {requester: {username: bob}}, status: {count: 1}}`

func onRecord(more ...tweak) []tweak {
	return append([]tweak{of(v1alpha1.Group, "v1alpha1", "changerecords", "ChangeRecord"), named("", "cr-1"), objects(aRecord), sub("status")}, more...)
}

func TestRecordsAreReviewedBySomebodyElse(t *testing.T) {
	accept := set("status|review", map[string]any{"verdict": "Accepted"})
	allow := Decision{Action: Allow, Class: v1alpha1.ClassReview}
	self := Decision{
		Class: v1alpha1.ClassReview, Reason: v1alpha1.ReasonSelfReview, Mode: v1alpha1.ModeEnforce, Record: v1alpha1.OutcomeDenied,
		Message: "gitlatch.dev/changerecords/status cr-1 records your own change, which somebody else reviews", Next: "ask a colleague to review it",
	}
	const alone = " is written by Gitlatch alone; a reviewer may set status.review"
	no := builtInDenied("gitlatch.dev/changerecords/status cr-1" + alone).with(next(""))
	whole := builtInDenied("gitlatch.dev/ChangeRecord cr-1" + alone).with(next(""))
	window := Window{Record: "cr-9", User: "admin", Scope: v1alpha1.WindowObject, Group: v1alpha1.Group, Resource: "changerecords", Name: "cr-1", Until: noon().Add(time.Minute)}
	for _, c := range []ruleCase{
		{name: "alice reviews", when: onRecord(accept), want: allow},
		{name: "alice reviews what has no status yet", when: onRecord(was("status", nil), set("status", map[string]any{}), accept), want: allow},
		{name: "alice reviews again", when: onRecord(was("status|review", map[string]any{"verdict": "Rejected"}), accept), want: allow},
		{name: "bob reviews his own", when: onRecord(accept, by(User{Name: "bob"})), want: self},
		{name: "alice takes a review away", when: onRecord(was("status|review", map[string]any{"verdict": "Rejected"})), want: no},
		{name: "alice reviews and changes the count", when: onRecord(accept, set("status|count", int64(0))), want: no},
		{name: "alice reviews and changes who it was", when: onRecord(accept, set("spec|requester|username", "carol")), want: no},
		{name: "alice reviews and labels", when: onRecord(accept, set("metadata|labels|x", "y")), want: no},
		{name: "alice reviews by the main resource", when: onRecord(accept, sub("")), want: whole},
		{name: "alice writes a record", when: onRecord(sub(""), creates(aRecord)), want: whole},
		{name: "alice deletes a record", when: onRecord(sub(""), deletes), want: whole},
		{name: "the sync deletes a record", when: onRecord(sub(""), deletes, by(fluxPod())), want: whole},
		{name: "system:masters deletes one inside a window", when: onRecord(sub(""), deletes, by(admin()), facts(authorized), windows(window)),
			want: broken("gitlatch.dev/ChangeRecord cr-1 is changed under break-glass", &window, func(d *Decision) { d.Policy = "" })},
		{name: "the webhook's pod writes the status", when: onRecord(set("status|count", int64(2)), by(webhookPod())), want: allowed(v1alpha1.ClassOwn, func(d *Decision) { d.Policy = "" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(c.when...)
			if diff := cmp.Diff(c.want, s.decide(t)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if c.want.Action == Deny && s.req.User.Name == "alice" {
				if diff := cmp.Diff(c.want, Decide(s.req, nil, s.facts)); diff != "" {
					t.Errorf("with no policy (-want +got):\n%s", diff)
				}
			}
		})
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

// In the final call the reviewer's name is already the requester's: if it is not,
// the mutating call was not made, and nobody signed.
func TestAReviewIsSignedByWhoMadeIt(t *testing.T) {
	for reviewer, want := range map[string]Action{"alice": Allow, "bob": Deny, "": Deny} {
		review := map[string]any{"verdict": "Approved", "reviewer": reviewer}
		s := newScene(of(v1alpha1.Group, "v1alpha1", "changerecords", "ChangeRecord"), named("", "cr-1"), objects(aRecord), sub("status"),
			set("status|review", review), request(func(r *Request) { r.Final = true }))
		if got := s.decide(t); got.Action != want {
			t.Errorf("reviewer %q: %s, want %s", reviewer, got.Action, want)
		}
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
