package registration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// longPolicies say as much as the schema of a ChangePolicy takes, each of one thing.
func longPolicies() map[string]*v1alpha1.ChangePolicy {
	long := func(n, size int, prefix string) []string {
		var out []string
		for i := range n {
			s := fmt.Sprintf("%s-%d-", prefix, i)
			out = append(out, s+strings.Repeat("x", size-len(s)))
		}
		return out
	}
	rules := func(n int) []v1alpha1.ResourceRule {
		var out []v1alpha1.ResourceRule
		for i := range n {
			out = append(out, v1alpha1.ResourceRule{APIGroups: long(32, 253, fmt.Sprint("group", i)), Resources: long(64, 63, fmt.Sprint("kind", i))})
		}
		return out
	}
	sync := func(users, managers int) (out []v1alpha1.SyncIdentity) {
		for i, user := range long(users, 1024, "user") {
			out = append(out, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{User: user}, FieldManagers: long(managers, 128, fmt.Sprint("manager", i))})
		}
		return out
	}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for _, key := range long(150, 63, "label") {
		selector.MatchLabels[key] = key
	}
	selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "gate", Operator: metav1.LabelSelectorOpNotIn, Values: long(256, 63, "value")}}
	out := map[string]*v1alpha1.ChangePolicy{}
	for what, tweak := range map[string]func(*v1alpha1.ChangePolicySpec){
		"sync identities": func(s *v1alpha1.ChangePolicySpec) { s.Sync = sync(32, 1) },
		"field managers":  func(s *v1alpha1.ChangePolicySpec) { s.Sync = sync(32, 16) },
		"resources":       func(s *v1alpha1.ChangePolicySpec) { s.Match.Resources = rules(5) },
		"excluded resources of some": func(s *v1alpha1.ChangePolicySpec) {
			s.Match.Resources, s.Match.ExcludeResources, s.Match.ExcludeNamespaces = rules(5), rules(5), long(256, 63, "ns")
		},
		"steering": func(s *v1alpha1.ChangePolicySpec) { s.Steering = rules(5) },
		"selectors": func(s *v1alpha1.ChangePolicySpec) {
			s.Match.NamespaceSelector, s.Match.ObjectSelector = selector, selector
		},
		"trusted": func(s *v1alpha1.ChangePolicySpec) {
			for i, name := range long(8, 253, "operator") {
				s.Trusted = append(s.Trusted, v1alpha1.TrustedSubject{Subject: account(fmt.Sprint("ns", i), name), Resources: rules(1)})
			}
			s.Trusted[0].Resources = rules(9)
		},
	} {
		out[what] = changePolicy("long", func(s *v1alpha1.ChangePolicySpec) {
			s.BreakGlass = &v1alpha1.BreakGlass{MaxDuration: metav1.Duration{Duration: time.Hour}, AllowedGroups: long(32, 253, "oncall"), ReasonPattern: "."}
			for _, account := range long(64, 63, "runner") {
				s.UntrustedControllers = append(s.UntrustedControllers, v1alpha1.AccountMatch{Namespace: account, Name: account})
			}
			s.Objects, s.Fields = v1alpha1.ScopeDeclared, v1alpha1.ScopeDeclared
			tweak(s)
		})
	}
	return out
}

// A configuration or a backstop with one expression that is too long is refused whole, and the one before it would stay,
// whatever the other policies say since.
func TestAPolicyThatSaysMuchLosesNothing(t *testing.T) {
	other := changePolicy("other", nil)
	for what, long := range longPolicies() {
		t.Run(what, func(t *testing.T) {
			policies := compiled(t, long, other)
			gate, final, err := Compile(serviceOptions(), policies)
			if err != nil {
				t.Fatal(err)
			}
			backstop, _, err := Backstop(serviceOptions(), policies)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range gate.Webhooks {
				if got := len(w.MatchConditions[0].Expression); got > compiledCharacters || len(final.Webhooks[i].MatchConditions[0].Expression) > compiledCharacters {
					t.Errorf("the condition of %s has %d characters", w.Name, got)
				}
			}
			for _, v := range backstop.Spec.Variables {
				if got := len(v.Expression); got > compiledCharacters*9/10 {
					t.Errorf("%s has %d characters", v.Name, got)
				}
			}
			if t.Failed() {
				return
			}
			d, guard := dispatch(t, gate.Webhooks), newGuard(t, backstop)
			for _, who := range []policy.User{{Name: "alice"}, pod(accountPrefix + "widgets:operator")} {
				r := requested(policy.Create, "", "configmaps", "", "prod", "x", map[string]any{})
				r.User = who
				asFuzzed(t, d, guard, policies, &r)
			}
			r := requested(policy.Create, "", "configmaps", "", "prod", "x", map[string]any{})
			r.User = policy.User{Name: "alice"}
			if got := guard.answers(t, plain(&r), nil, &rights{}); got.denied == "" {
				t.Error("the other policy denies nobody any more")
			}
		})
	}
}

// A group whose name has a line break in it is one group, and not two of another policy.
func TestALineBreakInANameMakesNoTwoNames(t *testing.T) {
	glass := func(name, namespace string, groups ...string) *v1alpha1.ChangePolicy {
		return changePolicy(name, func(s *v1alpha1.ChangePolicySpec) {
			s.Match.ExcludeNamespaces = []string{namespace}
			s.BreakGlass = &v1alpha1.BreakGlass{AllowedGroups: groups, ReasonPattern: "."}
		})
	}
	backstop, _, err := Backstop(serviceOptions(), compiled(t, glass("first", "dev", "oncall\nstandby"), glass("second", "prod", "oncall", "standby")))
	if err != nil {
		t.Fatal(err)
	}
	guard := newGuard(t, backstop)
	for group, let := range map[string]map[string]bool{"oncall": {"dev": true, "prod": false}, "oncall\nstandby": {"dev": false, "prod": true}} {
		for namespace, want := range let {
			r := requested(policy.Create, "", "configmaps", "", namespace, "x", map[string]any{})
			r.User = policy.User{Name: "alice", Groups: []string{group}}
			if got := guard.answers(t, plain(&r), nil, &rights{may: true}); (got.denied == "") != want {
				t.Errorf("group %q in %s: let through is %t: %s", group, namespace, !want, got.denied)
			}
		}
	}
}
