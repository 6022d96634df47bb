package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

func outOfBandCases() []ruleCase {
	changed := touches(`.spec.template.spec.containers[name="web"].image`)
	crd := []tweak{of("example.com", "v1", "widgets", "Widget")}
	two := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Sync = append(s.Sync, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{User: "argo"}, FieldManagers: []string{"argocd-controller"}})
	})
	return []ruleCase{
		{name: "alice edits a declared object", when: []tweak{image}, fits: true, want: webDenied(changed)},
		{name: "alice edits it under Audit", when: []tweak{image, mode(v1alpha1.ModeAudit)}, fits: true, want: webDenied(changed, recordedOnly(v1alpha1.ModeAudit))},
		{name: "alice edits it under Warn", when: []tweak{image, mode(v1alpha1.ModeWarn)}, fits: true, want: webDenied(changed, recordedOnly(v1alpha1.ModeWarn))},
		{name: "alice creates a custom resource", when: append(crd, creates(`{apiVersion: example.com/v1, kind: Widget, metadata: {name: web}}`)), fits: true,
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "example.com/Widget prod/web is changed through git only")},
		{name: "alice creates one whose name will be generated", when: append(crd, creates(`{metadata: {generateName: web-}}`), named("", "web-*")), fits: true,
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "example.com/Widget web-* is changed through git only")},
		{name: "the carrier is the one whose manager declared the object", when: []tweak{image, two}, fits: true, want: webDenied(changed)},
		{name: "with two carriers and no declaration nobody is named", when: []tweak{two, undeclaredObject, set("spec|x", "y")}, fits: true, want: webDenied(next("change it in git"))},
		{name: "where Gitlatch's applier brought it, the file and the last commit are named", when: []tweak{image,
			both("metadata|annotations", map[string]any{
				v1alpha1.AnnotationSource: "https://git.example/ops//clusters/prod/web.yaml?ref=main",
				v1alpha1.AnnotationCommit: `3f2c1abdd0e6b6d9a8a75e3e3bb6e4c1a2f3d4e5 "raise web to 4 replicas"`,
			})}, fits: true,
			want: webDenied(changed, next(`change clusters/prod/web.yaml in https://git.example/ops (main), last changed by 3f2c1ab "raise web to 4 replicas"`))},
		{name: "a pipeline with an unbound token is a person", when: []tweak{by(pipeline()), image}, fits: true, want: webDenied(changed)},
		{name: "nobody at all is a person", when: []tweak{by(User{}), image}, fits: true, want: webDenied(changed)},
		{name: "system:masters is a person", when: []tweak{by(admin()), image}, fits: true, want: webDenied(changed)},
		{name: "an operation that no version knows", when: []tweak{request(func(r *Request) { r.Operation = "MERGE" }), image}, fits: true, want: webDenied()},
		{name: "alice runs an unknown subresource", when: []tweak{sub("frobnicate")}, fits: true,
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/deployments/frobnicate prod/web is changed through git only")},
		{name: "an update that shows no object at all", when: []tweak{request(func(r *Request) { r.Old, r.Object = nil, nil })}, fits: true, want: webDenied()},
		{name: "the policy enforces, and a flag's failed record denies unless it says otherwise", when: []tweak{image, spec(func(s *v1alpha1.ChangePolicySpec) { s.OnRecordFailure = v1alpha1.FailureAdmit })}, fits: true,
			want: webDenied(changed, func(d *Decision) { d.OnRecordFailure = v1alpha1.FailureAdmit })},
		{name: "the sync changes it", when: []tweak{by(fluxPod()), image}, want: allowed(v1alpha1.ClassSync)},
	}
}
