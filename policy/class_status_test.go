package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

func statusCases() []ruleCase {
	ok := allowed(v1alpha1.ClassStatus)
	reports := func(more ...tweak) []tweak {
		return append([]tweak{sub("status"), by(operatorPod()), set("status|replicas", int64(2))}, more...)
	}
	no := func(more ...func(*Decision)) Decision {
		return denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/deployments/status prod/web is changed through git only", more...)
	}
	return []ruleCase{
		{name: "an operator reports", when: reports(), fits: true, want: ok},
		{name: "an account with a minted token reports", when: reports(by(pipeline())), fits: true, want: ok},
		{name: "alice reports", when: reports(by(alice())), want: no()},
		{name: "impersonation reports", when: reports(by(posing(pipeline()))), want: no()},
		{name: "a label goes too", when: reports(by(pipeline()), set("metadata|labels|x", "y")), want: no()},
		{name: "an annotation comes too", when: reports(by(pipeline()), set("metadata|annotations|x", "y")), want: no()},
		{name: "a finalizer comes too", when: reports(by(pipeline()), set("metadata|finalizers", []any{"x"})), want: no(touches(".metadata.finalizers"))},
		{name: "an owner comes too", when: reports(by(pipeline()), set("metadata|ownerReferences", []any{map[string]any{"uid": "x"}})), want: no(touches(".metadata.ownerReferences"))},
		{name: "the declared label goes, by a pod", when: reports(set("metadata|labels", nil), func(s *scene) { delete(entryOf(s)["fieldsV1"].(map[string]any), "f:metadata") }), want: no(touches(".metadata.labels"))},
		{name: "the old object is not shown", when: reports(by(pipeline()), request(func(r *Request) { r.Old = nil }), set("metadata|managedFields", nil)), want: no()},
		{name: "an untrusted account reports", when: reports(by(pipeline()), spec(func(s *v1alpha1.ChangePolicySpec) {
			s.UntrustedControllers = []v1alpha1.AccountMatch{{Namespace: "ci"}}
		})), want: no()},
		{name: "a source controller's pod reports where the artifact is", when: reports(steers), fits: true, want: ok},
		{name: "a minted token reports where the artifact is", when: reports(by(pipeline()), steers), want: no()},
		{name: "a record of Gitlatch", when: reports(undeclaredObject, of(v1alpha1.Group, "v1alpha1", "changerecords", "ChangeRecord"), named("", "cr-1")),
			want: builtInDenied("gitlatch.dev/changerecords/status cr-1 is written by Gitlatch alone; a reviewer may set status.review").with(next(""))},
	}
}

// steers makes the target one that tells the sync what to apply.
var steers = spec(func(s *v1alpha1.ChangePolicySpec) {
	s.Steering = []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"*"}}}
})
