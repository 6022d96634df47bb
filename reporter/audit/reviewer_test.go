package audit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// TestReviewJudgesByThePoliciesFromBefore: one that was deleted, weakened or made anew in a gap is in force as before.
func TestReviewJudgesByThePoliciesFromBefore(t *testing.T) {
	old, now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	of := func(name string, mode v1alpha1.Mode, created time.Time) *policy.Policy {
		return &policy.Policy{Name: name, Created: created, Spec: v1alpha1.ChangePolicySpec{Mode: mode}}
	}
	got := together(
		[]*policy.Policy{of("same", "Enforce", old), of("anew", "Enforce", now), of("weaker", "Audit", now), of("new", "Enforce", now)},
		[]*policy.Policy{of("same", "Enforce", old), of("anew", "Enforce", old), of("weaker", "Enforce", old), of("gone", "Enforce", old)})
	var text []string
	for _, p := range got {
		text = append(text, fmt.Sprintf("%s %s %s", p.Name, p.Spec.Mode, p.Created.Format("Jan")))
	}
	want := []string{"same Enforce Jan", "anew Enforce Jan", "weaker Audit Jan", "new Enforce Mar", "weaker Enforce Jan", "gone Enforce Jan"}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatAReviewCanNotReadForGood(t *testing.T) {
	r := schema.GroupResource{Group: "apps", Resource: "deployments"}
	listing := func(err error) NotExamined {
		return NotExamined{What: r.String(), Why: fmt.Errorf("listing %s: %w", r, err).Error()}
	}
	for what, tc := range map[string]struct {
		not  NotExamined
		want bool
	}{
		"we may not":             {listing(apierrors.NewForbidden(r, "", errors.New("no rule"))), true},
		"it has no list":         {listing(apierrors.NewMethodNotSupported(r, "list")), true},
		"no list is offered":     {NotExamined{What: r.String(), Why: "it can't be listed"}, true},
		"a sync that is at work": {NotExamined{What: "what GitSync gitops/apps declares", Why: "it is not applied whole: Applying"}, true},
		"the server is slow":     {listing(apierrors.NewTimeoutError("timeout", 1)), false},
		"an API is down":         {NotExamined{What: "metrics.k8s.io/v1beta1", Why: "asking which kinds it has: the server is currently unable to handle the request"}, false},
		"syncs can't be read":    {NotExamined{What: "what GitSyncs declare", Why: "etcdserver: request timed out"}, false},
	} {
		if got := lasting(tc.not); got != tc.want {
			t.Errorf("%s: for good is %t", what, got)
		}
	}
}
