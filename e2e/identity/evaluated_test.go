package identity

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/test/world"
)

// evaluations are what the API server counts of the conditions of webhooks and of the backstop.
type evaluations struct {
	conditions string             // that failed, of webhooks and of the backstop, which is called gitlatch
	checks     map[string]float64 // of the backstop, by what came of them and why
}

var (
	failedCondition = regexp.MustCompile(`(?m)^apiserver_admission_match_condition_evaluation_errors_total\{.*$`)
	backstopCheck   = regexp.MustCompile(`(?m)^apiserver_validating_admission_policy_check_total\{enforcement_action="(\w+)",error_type="(\w+)",policy="gitlatch",.*\} (\S+)$`)
)

func evaluated(t *testing.T) evaluations {
	t.Helper()
	a := known(t, "admin").send(t, request{http.MethodGet, "/metrics", "", ""})
	if !strings.Contains(a.said, "apiserver_admission_match_condition_exclusions_total") {
		t.Fatalf("the API server's metrics do not speak of conditions: %d", a.code)
	}
	out := evaluations{conditions: strings.Join(failedCondition.FindAllString(a.said, -1), "\n"), checks: map[string]float64{}}
	for _, m := range backstopCheck.FindAllStringSubmatch(a.said, -1) {
		n, err := strconv.ParseFloat(m[3], 64)
		world.Must(t, err)
		out.checks[m[1]+" "+m[2]] += n
	}
	return out
}

// mustHaveNoErrorSince: nothing failed to evaluate. The API server counts a denial as "invalid_error" of "deny", and again
// of "audit", which the binding asks for; an error that is let pass under Ignore as one of "allow"; and an annotation's
// under Fail as a "deny" with no "audit".
// Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating, dispatcher.go and errors.go.
func (e evaluations) mustHaveNoErrorSince(t *testing.T, before evaluations) {
	t.Helper()
	if e.conditions != before.conditions {
		t.Errorf("conditions failed to evaluate:\n%s\nwas:\n%s", e.conditions, before.conditions)
	}
	grown := func(action, why string) float64 { return e.checks[action+" "+why] - before.checks[action+" "+why] }
	for _, why := range []string{"invalid_error", "compile_error", "out_of_budget"} {
		if n := grown("allow", why); n != 0 {
			t.Errorf("the backstop failed %v times with %s, and let it pass", n, why)
		}
		if denied, audited := grown("deny", why), grown("audit", why); denied != audited || why != "invalid_error" && denied != 0 {
			t.Errorf("the backstop failed: %v denials and %v audited with %s", denied, audited, why)
		}
	}
}
