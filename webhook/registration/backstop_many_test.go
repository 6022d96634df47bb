package registration

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// compiledCharacters is how long an expression may be (github.com/google/cel-go/cel,
// ParserExpressionSizeLimit: 100,000 code points unless told).
const compiledCharacters = 100_000

// trustingPolicies are n policies, each of which trusts so many accounts, judges as many as
// persons and names as many groups that may break glass.
func trustingPolicies(n, each int) []*v1alpha1.ChangePolicy {
	out := manyPolicies(n)
	for i, p := range out {
		p.Spec.BreakGlass = &v1alpha1.BreakGlass{MaxDuration: metav1.Duration{Duration: time.Hour}, ReasonPattern: "."}
		for j := range each {
			p.Spec.Trusted = append(p.Spec.Trusted, v1alpha1.TrustedSubject{
				Subject:   account(fmt.Sprintf("platform-of-team-%d", i), fmt.Sprintf("operator-%d", j)),
				Resources: []v1alpha1.ResourceRule{{APIGroups: []string{fmt.Sprintf("team%d.example.com", i), ""}, Resources: []string{"widgets", "secrets", "serviceaccounts"}}},
			})
			p.Spec.UntrustedControllers = append(p.Spec.UntrustedControllers, v1alpha1.AccountMatch{Namespace: fmt.Sprintf("runners-of-team-%d", i), Name: fmt.Sprintf("runner-%d", j)})
			p.Spec.BreakGlass.AllowedGroups = append(p.Spec.BreakGlass.AllowedGroups, fmt.Sprintf("oncall-of-team-%d-%d", i, j))
		}
	}
	return out
}

// A backstop that is too long would be refused, and the one before it would stay.
func TestNoExpressionGrowsWithAllPolicies(t *testing.T) {
	for _, n := range []struct{ policies, each int }{{100, 5}, {400, 10}} {
		t.Run(fmt.Sprintf("%d that name %d each", n.policies, n.each), func(t *testing.T) {
			policies := compiled(t, trustingPolicies(n.policies, n.each)...)
			p, _, err := Backstop(serviceOptions(), policies)
			if err != nil {
				t.Fatal(err)
			}
			texts := map[string]string{"the condition": p.Spec.MatchConditions[0].Expression, "the annotation": p.Spec.AuditAnnotations[0].ValueExpression}
			for _, v := range p.Spec.Variables {
				texts[v.Name] = v.Expression
			}
			for i, v := range p.Spec.Validations {
				texts[fmt.Sprint("validation ", i)] = v.Expression
			}
			for name, text := range texts {
				if got := utf8.RuneCountInString(text); got > compiledCharacters*3/4 {
					t.Errorf("%s has %d characters", name, got)
				}
			}
		})
	}
}

// Of so many names each is still known, and a request that names as many subjects as are
// looked at costs less than half of what the API server grants.
func TestEachOfManyIsKnown(t *testing.T) {
	policies := compiled(t, trustingPolicies(100, 5)...)
	p, _, err := Backstop(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	backstop := newGuard(t, p)
	last := pod(accountPrefix + "platform-of-team-99:operator-4")
	secret := requested(policy.Create, "team99.example.com", "widgets", "", "prod", "x", map[string]any{})
	token := requested(policy.Create, "", "serviceaccounts", "token", "platform-of-team-99", "operator-3", map[string]any{"spec": map[string]any{}})
	syncs := requested(policy.Create, "", "serviceaccounts", "token", "team-99", "deployer", map[string]any{"spec": map[string]any{}})
	var subjects []any
	for i := range maxKeys - 1 {
		subjects = append(subjects, map[string]any{"kind": "User", "name": strings.Repeat("x", 60) + fmt.Sprint(i)})
	}
	subjects = append(subjects, map[string]any{"kind": "ServiceAccount", "namespace": "team-99", "name": "deployer"})
	binding := requested(policy.Update, "rbac.authorization.k8s.io", "rolebindings", "", "prod", "x", map[string]any{"subjects": subjects})
	binding.Old = binding.Object
	for _, c := range []struct {
		name   string
		r      policy.Request
		by     policy.User
		denied bool
	}{
		{"a trusted account writes", secret, last, false},
		{"a person writes", secret, policy.User{Name: "alice"}, true},
		{"a trusted account asks for the token of another", token, last, false},
		{"a person asks for the token of a trusted account", token, policy.User{Name: "alice"}, true},
		{"a trusted account asks for the token of a sync", syncs, last, true},
		{"a person binds a sync among many", binding, policy.User{Name: "alice"}, true},
	} {
		c.r.User = c.by
		if got := backstop.answers(t, plain(&c.r), nil, &rights{}); (got.denied != "") != c.denied {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// pod is a service account with the token of a living pod.
func pod(name string) policy.User {
	return policy.User{Name: name, UID: "u-1", Extra: map[string][]string{policy.ExtraPodName: {"x"}, policy.ExtraPodUID: {"x"}, policy.ExtraCredentialID: {"x"}}}
}
