package access

import (
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A user or a group that a policy trusts is known by its name alone, so that whoever may take it is believed.
func TestWhoMayTakeATrustedNameIsBelieved(t *testing.T) {
	trusting := func(o *Objects) {
		rules := []v1alpha1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}}}
		o.Policies[0].Spec.Trusted = []v1alpha1.TrustedSubject{
			{Subject: v1alpha1.Subject{User: "eks:addon-manager"}, Resources: rules},
			{Subject: v1alpha1.Subject{Group: "system:ovn-nodes"}, Resources: rules},
		}
	}
	for _, tc := range []struct {
		resource, name string
		held           bool
	}{
		{"users", "eks:addon-manager", false}, {"users", "system:ovn-nodes", true}, {"users", "bob", true},
		{"groups", "system:ovn-nodes", false}, {"groups", "eks:addon-manager", true}, {"groups", "devs", true},
	} {
		for _, trusts := range []bool{true, false} {
			tweaks := []func(*Objects){everywhere("user:alice", may(verbs("impersonate"), "", tc.resource, tc.name))}
			if trusts {
				tweaks = append(tweaks, trusting)
			}
			found := Find(shop(tweaks...)).Unexpected()
			if len(found) != 1 || found[0].Act != ActImpersonate || found[0].Held != (tc.held || !trusts) {
				t.Errorf("%s %s, trusted %t: %+v", tc.resource, tc.name, trusts, found)
			}
		}
	}
}
