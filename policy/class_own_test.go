package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

func webhookPod() User { return podOf("gitlatch-system", "gitlatch-webhook") }

// ownSecret is a Secret beside Gitlatch, in a namespace of its own name.
func ownSecret(s *scene) {
	of("", "v1", "secrets", "Secret")(s)
	named("gitlatch-system", "gitlatch-ca")(s)
	creates(`{apiVersion: v1, kind: Secret, metadata: {name: gitlatch-ca}}`)(s)
}

// memory is the ConfigMap in which the reporter keeps what must outlive it.
func memory(s *scene) {
	of("", "v1", "configmaps", "ConfigMap")(s)
	named("gitlatch-system", "gitlatch-reporter")(s)
	creates(`{apiVersion: v1, kind: ConfigMap, metadata: {name: gitlatch-reporter}}`)(s)
}

func builtInDenied(message string) Decision {
	return denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonBuiltIn, message, func(d *Decision) { d.Policy = "" })
}

func ownCases() []ruleCase {
	own := allowed(v1alpha1.ClassOwn)
	guard := allowed(v1alpha1.ClassOwn, func(d *Decision) { d.Policy = "" })
	secret := builtInDenied("Secret gitlatch-system/gitlatch-ca keeps the gate standing, and is changed by a sync identity or break-glass only")
	hook := []tweak{of("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"), named("", "gitlatch-backstop"), undeclaredObject}
	record := []tweak{of(v1alpha1.Group, "v1alpha1", "changerecords", "ChangeRecord"), named("", "cr-1"), creates(`{apiVersion: gitlatch.dev/v1alpha1, kind: ChangeRecord, metadata: {name: cr-1}}`)}
	return []ruleCase{
		{name: "the webhook's pod writes its certificate", when: []tweak{ownSecret, by(webhookPod())}, fits: true, want: guard},
		{name: "the reporter's pod writes what it registers", when: append(hook, by(podOf("gitlatch-system", "gitlatch-reporter")), func(s *scene) { s.req.Object["spec"] = "x" }), fits: true, want: guard},
		{name: "the webhook's pod writes a record", when: append(record, by(webhookPod())), fits: true, want: allowed(v1alpha1.ClassOwn, func(d *Decision) { d.Policy = "" })},
		{name: "the reporter's pod keeps what must outlive it, also where no controller may write", when: []tweak{memory, by(podOf("gitlatch-system", "gitlatch-reporter")),
			func(s *scene) { s.spec.Controllers = v1alpha1.ControllersNone }}, fits: true, want: guard},
		{name: "a token minted for the webhook's account proves nothing", when: []tweak{ownSecret, by(minted("gitlatch-system", "gitlatch-webhook"))}, want: secret},
		{name: "impersonation of the webhook's account proves nothing", when: []tweak{ownSecret, by(posing(webhookPod()))}, want: secret},
		{name: "another account of its namespace is not a component", when: []tweak{ownSecret, by(podOf("gitlatch-system", "default"))}, want: secret},
		{name: "an account of the same name elsewhere is not a component", when: []tweak{ownSecret, by(podOf("prod", "gitlatch-webhook"))}, want: secret},
		{name: "the webhook's pod does not own a Deployment", when: []tweak{by(webhookPod()), image}, want: webDenied(touches(`.spec.template.spec.containers[name="web"].image`))},
		{name: "an installation without a name has no components", when: []tweak{by(webhookPod()), image, facts(func(f *Facts) { f.Install = Installation{} })},
			want: webDenied(touches(`.spec.template.spec.containers[name="web"].image`))},
		{name: "an unset component is not the account without a name", when: []tweak{ownSecret, by(podOf("gitlatch-system", "")), facts(func(f *Facts) { f.Install.Reporter = "" })}, want: secret},
		{name: "the webhook's pod creates a policy", when: []tweak{of(v1alpha1.Group, "v1alpha1", "gitsyncs", "GitSync"), by(webhookPod()), undeclaredObject, set("spec|x", "y")}, fits: true,
			want: apply(own, []func(*Decision){func(d *Decision) { d.Policy = "" }})},
	}
}
