package policy

import (
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestPosesGoesByTheName(t *testing.T) {
	in := &v1alpha1.ChangePolicy{}
	in.Name = "cluster"
	in.Spec.Mode = v1alpha1.ModeEnforce
	in.Spec.Sync = []v1alpha1.SyncIdentity{
		{Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "flux-system", Name: "kustomize-controller"}}, FieldManagers: []string{"kustomize-controller"}},
		{Subject: v1alpha1.Subject{User: "robot"}, FieldManagers: []string{"robot"}},
		{Subject: v1alpha1.Subject{Group: "carriers"}, FieldManagers: []string{"carrier"}},
		{Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "shop", Name: "tenant"}}, FieldManagers: []string{"tenant"}, Impersonated: true},
	}
	in.Spec.Trusted = []v1alpha1.TrustedSubject{{
		Subject:   v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "cert-manager", Name: "cainjector"}},
		Resources: []v1alpha1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}}},
	}}
	p, errs := Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	policies := []*Policy{p}
	install := Installation{Namespace: "gitlatch-system", Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter"}
	podBound := map[string][]string{ExtraPodName: {"p"}, ExtraPodUID: {"u"}, ExtraCredentialID: {"c"}}
	for _, test := range []struct {
		user User
		want string
	}{
		{User{Name: "system:serviceaccount:flux-system:kustomize-controller"}, "a sync identity"},
		{User{Name: "robot"}, "a sync identity"},
		{User{Name: "bob", Groups: []string{"carriers"}}, "a sync identity"},
		{User{Name: "system:serviceaccount:cert-manager:cainjector"}, "a trusted identity"},
		{User{Name: "system:serviceaccount:kube-system:job-controller"}, "a control-plane controller"},
		{User{Name: "system:kube-scheduler"}, "an identity of the control plane"},
		{User{Name: "system:node:n1"}, "an identity of the control plane"},
		{User{Name: "system:bootstrap:abcdef", Groups: []string{"system:bootstrappers"}}, "a machine that is to become a node"},
		{User{Name: "system:serviceaccount:gitlatch-system:gitlatch-applier"}, "a component of Gitlatch"},
		{User{Name: "system:serviceaccount:kube-system:default"}, ""},
		{User{Name: "system:serviceaccount:shop:web"}, ""},
		{User{Name: "system:serviceaccount:shop:web", UID: "u"}, ""},
		{User{Name: "system:serviceaccount:shop:web", UID: "u", Extra: podBound}, "a controller, with the proof of a pod"},
		{User{Name: "system:serviceaccount:shop:web", UID: "u", Extra: map[string][]string{ExtraCredentialID: {"c"}}}, "an account, with the proof of a token"},
		{User{Name: "system:serviceaccount:flux-system:kustomize-controller", UID: "u", Extra: podBound}, "a sync identity"},
		{User{Name: "bob", UID: "bob-uid", Extra: podBound}, ""},
		{User{Name: "alice", Groups: []string{"system:masters"}}, ""},
	} {
		if got := Poses(&test.user, policies, install); got != test.want {
			t.Errorf("%s poses as %q, want %q", test.user.Name, got, test.want)
		}
	}
	applier := User{Name: "system:serviceaccount:gitlatch-system:gitlatch-applier", UID: "u", Extra: podBound}
	flux := User{Name: "system:serviceaccount:flux-system:kustomize-controller", UID: "u", Extra: podBound}
	other := User{Name: "system:serviceaccount:ci:runner", UID: "u", Extra: podBound}
	tenant, robot := User{Name: "system:serviceaccount:shop:tenant"}, User{Name: "robot"}
	for _, test := range []struct {
		name   string
		by, as *User
		want   bool
	}{
		{"the applier acts for a sync", &applier, &tenant, true},
		{"a sync identity acts for a tenant", &flux, &robot, true},
		{"a pod acts as an identity that is accepted impersonated", &other, &tenant, true},
		{"a pod acts as another", &other, &robot, false},
		{"the applier's name without its pod", &User{Name: applier.Name}, &tenant, false},
		{"a person acts as an identity that is accepted impersonated", &User{Name: "alice", UID: "alice-uid"}, &tenant, false},
	} {
		if got := MayImpersonate(test.by, test.as, policies, install); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}
