package applier

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// declare applies YAML as another carrier of git's does: server-side, by the sync
// identity gitops/sync.
func declare(t *testing.T, yaml string) {
	t.Helper()
	if err := gate.Apply(t.Context(), yaml); err != nil {
		t.Fatalf("git could not declare: %v", err)
	}
}

// result of a kubectl command.
type result struct {
	user, command, out, err string
	code                    int
}

// kubectl runs kubectl as a person or an account.
func kubectl(t *testing.T, user string, args ...string) result {
	t.Helper()
	out, stderr, code := plane.Kubectl(t.Context(), user, "", args...)
	return result{user: user, command: strings.Join(args, " "), out: out, err: stderr, code: code}
}

// mustAllow fails unless the command went through.
func (r result) mustAllow(t *testing.T) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("%s: kubectl %s: want it to go through, got exit %d: %s", r.user, r.command, r.code, r.err)
	}
	return r
}

// mustDeny fails unless Gitlatch denied the command for this reason.
func (r result) mustDeny(t *testing.T, reason v1alpha1.Reason) result {
	t.Helper()
	if r.code == 0 || !strings.Contains(r.err, ".gitlatch.dev\" denied the request: "+string(reason)+": ") {
		t.Fatalf("%s: kubectl %s: want a denial %s, got exit %d: %s%s", r.user, r.command, reason, r.code, r.out, r.err)
	}
	return r
}

// condition of a sync; the zero value where it has none.
func condition(s *v1alpha1.GitSync, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(s.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

var errNotYet = errors.New("not yet")

// eventually waits up to 30 s.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	if err := gitlatch.WaitFor(t.Context(), 30*time.Second, what, ask); err != nil {
		t.Fatal(err)
	}
}

// records returns the records of one namespace, oldest first as listed.
func records(t *testing.T, namespace string) []v1alpha1.ChangeRecord {
	t.Helper()
	list := &v1alpha1.ChangeRecordList{}
	if err := clientOf(t, "admin").List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var out []v1alpha1.ChangeRecord
	for _, r := range list.Items {
		if r.Spec.Request.Namespace == namespace {
			out = append(out, r)
		}
	}
	return out
}
