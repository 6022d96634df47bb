package applier

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// condition of a sync; the zero value where it has none.
func condition(s *v1alpha1.GitSync, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(s.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

var errNotYet = errors.New("not yet")

// declare applies YAML as another carrier of git's does: server-side, by the sync
// identity gitops/sync.
func declare(t *testing.T, yaml string) {
	t.Helper()
	here.Declare(t, yaml)
}

// kubectl runs kubectl as a person or an account.
func kubectl(t *testing.T, user string, args ...string) world.Result {
	t.Helper()
	return here.Kubectl(t, user, args...)
}

// eventually waits up to 30 s.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	world.Eventually(t, what, 30*time.Second, ask)
}
