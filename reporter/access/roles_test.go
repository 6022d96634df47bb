package access

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// TestTheRolesThatAreAdvised: those of the manifests give what the advice says of them,
// and no way around git beyond it.
func TestTheRolesThatAreAdvised(t *testing.T) {
	file, err := os.ReadFile("../../manifests/default/25-people-rights.yaml")
	must(t, err)
	shipped := map[string]rbacv1.ClusterRole{}
	for doc := range strings.SplitSeq(string(file), "\n---\n") {
		var role rbacv1.ClusterRole
		must(t, yaml.Unmarshal([]byte(doc), &role))
		shipped[role.Name] = role
	}
	for role, want := range map[string][]string{
		roleViewer:          nil,
		"gitlatch-reviewer": nil,
		roleOperator:        {"Policy held"},
		roleBreakGlass:      {"BreakGlass open"},
		roleAdministrator:   {"Gate open", "Pod held", "Pod open", "Policy held", "Token held", "Write held"},
	} {
		bound, there := shipped[role]
		if !there {
			t.Errorf("the manifests ship no %s", role)
			continue
		}
		got := []string(nil)
		for _, f := range Find(shop(everywhere("group:oncall", bound.Rules...))).Findings {
			gate := "open"
			if f.Held {
				gate = "held"
			}
			got = append(got, string(f.Act)+" "+gate)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", role, diff)
		}
	}
}

func TestSelect(t *testing.T) {
	report := Find(shop(
		in("prod", "user:alice", may(verbs("patch"), "", "configmaps")),
		in("gitops", "sa:prod/web", may(verbs("patch"), "", "configmaps")),
		everywhere("group:system:authenticated", may(verbs("impersonate"), "", "groups", "oncall")),
		everywhere("group:system:serviceaccounts:prod", may(verbs("patch"), "", "configmaps")),
		everywhere("sa:gitops/sync", may(verbs("patch"), "", "configmaps")),
	))
	subject := func(text string) *Subject {
		s, err := ParseSubject(text)
		must(t, err)
		return &s
	}
	for _, tc := range []struct {
		name      string
		selection Selection
		want      []string
	}{
		{"everybody whom nobody expects", Selection{}, []string{"group:system:authenticated", "group:system:serviceaccounts:prod", "sa:prod/web", "user:alice"}},
		{"those who are expected too", Selection{All: true}, []string{"group:system:authenticated", "group:system:serviceaccounts:prod", "sa:gitops/sync", "sa:prod/web", "user:alice"}},
		{"what the gate does not hold back", Selection{Open: true}, []string{"group:system:authenticated"}},
		{"a namespace", Selection{Namespace: "prod"}, []string{"group:system:authenticated", "group:system:serviceaccounts:prod", "user:alice"}},
		{"a user is authenticated", Selection{Subject: subject("bob")}, []string{"group:system:authenticated"}},
		{"an account is in its namespace's group", Selection{Subject: subject("sa:prod/web")},
			[]string{"group:system:authenticated", "group:system:serviceaccounts:prod", "sa:prod/web"}},
		{"a group is itself", Selection{Subject: subject("group:devs")}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, f := range report.Select(tc.selection) {
				got = append(got, f.Subject.String())
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("subjects (-want +got):\n%s", diff)
			}
		})
	}
}
