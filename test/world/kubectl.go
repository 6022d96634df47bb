package world

import (
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Result of a kubectl command.
type Result struct {
	User, Command, Out, Err string
	Code                    int
}

// Kubectl runs kubectl as a person or an account.
func (w *World) Kubectl(t testing.TB, user string, args ...string) Result {
	t.Helper()
	return w.KubectlIn(t, user, "", args...)
}

// KubectlIn is [World.Kubectl] with standard input.
func (w *World) KubectlIn(t testing.TB, user, stdin string, args ...string) Result {
	t.Helper()
	out, stderr, code := w.Plane.Kubectl(t.Context(), user, stdin, args...)
	return Result{User: user, Command: strings.Join(args, " "), Out: out, Err: stderr, Code: code}
}

// MustAllow fails unless the command went through.
func (r Result) MustAllow(t testing.TB) Result {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("%s: kubectl %s: want it to go through, got exit %d: %s", r.User, r.Command, r.Code, r.Err)
	}
	return r
}

// MustDeny fails unless a webhook of Gitlatch denied the command for this reason.
func (r Result) MustDeny(t testing.TB, reason v1alpha1.Reason) Result {
	t.Helper()
	if r.Code == 0 || !strings.Contains(r.Err, ".gitlatch.dev\" denied the request: "+string(reason)+": ") {
		t.Fatalf("%s: kubectl %s: want a denial %s, got exit %d: %s%s", r.User, r.Command, reason, r.Code, r.Out, r.Err)
	}
	return r
}

// MustFail fails the test unless the command failed and said this.
func (r Result) MustFail(t testing.TB, said string) Result {
	t.Helper()
	if r.Code == 0 || !strings.Contains(r.Err, said) {
		t.Fatalf("%s: kubectl %s: want it to fail with %q, got exit %d: %s%s", r.User, r.Command, said, r.Code, r.Out, r.Err)
	}
	return r
}
