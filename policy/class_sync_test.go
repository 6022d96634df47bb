package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

func syncCases() []ruleCase {
	changed := touches(`.spec.template.spec.containers[name="web"].image`)
	no := false
	identity := func(s v1alpha1.SyncIdentity) tweak {
		return spec(func(p *v1alpha1.ChangePolicySpec) {
			s.FieldManagers = []string{"kustomize-controller"}
			p.Sync = []v1alpha1.SyncIdentity{s}
		})
	}
	account := v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "flux-system", Name: "kustomize-controller"}}
	loose := account
	loose.PodBound = &no
	gitIs := func(s string) func(*Decision) { return next("change it in git; " + s + " brings it here") }
	return []ruleCase{
		{name: "its pod changes a declared field", when: []tweak{by(fluxPod()), image, manager("kustomize-controller")}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "its pod deletes", when: []tweak{by(fluxPod()), deletes}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "its pod sets a tracking mark", when: []tweak{by(fluxPod()), set("metadata|labels|kustomize.toolkit.fluxcd.io/name", "apps")}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "a plain --as is a person", when: []tweak{by(posing(fluxPod())), image}, want: webDenied(changed)},
		{name: "a minted token is a person", when: []tweak{by(minted("flux-system", "kustomize-controller")), image}, want: webDenied(changed)},
		{name: "a pod's name without its uid is no proof", when: []tweak{by(withExtra(fluxPod(), ExtraPodUID)), image}, want: webDenied(changed)},
		{name: "an empty pod name is no proof", when: []tweak{by(withExtra(fluxPod(), ExtraPodName, "")), image}, want: webDenied(changed)},
		{name: "the pod of another account of its namespace is an operator", when: []tweak{by(podOf("flux-system", "source-controller")), image}, want: webDenied(changed)},
		{name: "a minted token where the policy accepts one", when: []tweak{by(minted("flux-system", "kustomize-controller")), image, identity(v1alpha1.SyncIdentity{Subject: loose})}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "a plain --as where the policy accepts a minted token", when: []tweak{by(posing(fluxPod())), image, identity(v1alpha1.SyncIdentity{Subject: loose})}, want: webDenied(changed)},
		{name: "a plain --as where the policy accepts impersonation", when: []tweak{by(posing(fluxPod())), image, identity(v1alpha1.SyncIdentity{Subject: account, Impersonated: true})}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "the mark of Gitlatch's applier", when: []tweak{by(withExtra(posing(fluxPod()), v1alpha1.ExtraSync, "apps")), image}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "that mark on another user proves nothing", when: []tweak{by(withExtra(alice(), v1alpha1.ExtraSync, "apps")), image}, want: webDenied(changed)},
		{name: "a user by exact name", when: []tweak{by(User{Name: "robot"}), image, identity(v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{User: "robot"}})}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "a user whose name only begins so", when: []tweak{by(User{Name: "robot2"}), image, identity(v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{User: "robot"}})}, want: webDenied(changed, gitIs("robot"))},
		{name: "a group", when: []tweak{by(User{Name: "robot", Groups: []string{"deployers"}}), image, identity(v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: "deployers"}})}, fits: true, want: allowed(v1alpha1.ClassSync)},
		{name: "another group", when: []tweak{image, identity(v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: "deployers"}})}, want: webDenied(changed, gitIs("group deployers"))},
		{name: "the user without a name is nobody's subject", when: []tweak{by(User{}), image}, want: webDenied(changed)},
	}
}
