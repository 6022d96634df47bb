package identity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// Whatever is absent, with no webhook there: the backstop evaluates without an error under either failure policy, and
// refuses everybody whom the gate refuses.
func TestWhateverIsAbsentTheBackstopAloneAnswers(t *testing.T) {
	ns := oddPlace(t)
	people := oddPeople(t)
	passing := []*party{known(t, syncer), known(t, "system:kube-controller-manager"), known(t, operator)}
	backstopAlone(t)
	for _, failure := range []admissionv1.FailurePolicyType{admissionv1.Fail, admissionv1.Ignore} {
		t.Run(string(failure), func(t *testing.T) {
			backstopUnder(t, failure)
			before := evaluated(t)
			for what, who := range people {
				t.Run(what, func(t *testing.T) {
					for _, r := range oddRequests(ns) {
						a := who.send(t, r.dry())
						// Whoever is in more groups than are looked at is left to the webhook, and an eviction is allowed.
						if strings.HasPrefix(what, "many") || strings.Contains(r.path, "/eviction") {
							if strings.Contains(a.said, "ValidatingAdmissionPolicy") {
								t.Errorf("%s %.80s: want the backstop to let it through, got %d: %.300s", a.what, r.body, a.code, a.said)
							}
						} else if !strings.Contains(a.said, backstopDenied+"OutOfBand: ") || a.code != http.StatusForbidden {
							t.Errorf("%s %.80s: want a denial by the backstop, got %d: %.300s", a.what, r.body, a.code, a.said)
						}
					}
				})
			}
			for _, who := range passing {
				for _, r := range oddRequests(ns) {
					if who.name != operator || !notAnOperators(r) {
						who.send(t, r.dry()).mustPass(t)
					}
				}
			}
			after := evaluated(t)
			after.mustHaveNoErrorSince(t, before)
			if n := after.checks["deny invalid_error"] - before.checks["deny invalid_error"]; n < 100 {
				t.Errorf("the API server counts %v denials of the backstop: are they counted elsewhere?", n)
			}
		})
	}
}

const backstopDenied = "ValidatingAdmissionPolicy 'gitlatch' with binding 'gitlatch' denied request: "

// backstopAlone leaves the backstop alone until the test ends: the gate is stopped, and its webhooks are not registered.
func backstopAlone(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		ctx := context.Background()
		for i := range here.Gate.Replicas() {
			world.Must(t, here.Gate.Start(ctx, i))
		}
		world.Must(t, here.Gate.WaitRegistered(ctx))
		world.Must(t, gitlatch.WaitFor(ctx, waitLong, "the backstop to be restored", restored))
	})
	for i := range here.Gate.Replicas() {
		here.Gate.Terminate(i)
	}
	for _, kind := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
		here.Kubectl(t, "admin", "delete", kind, "gitlatch").MustAllow(t)
	}
}

// restored says whether the backstop is as it was.
func restored(ctx context.Context) error {
	out, stderr, code := here.Plane.Kubectl(ctx, "admin", "", "get", "validatingadmissionpolicy", "gitlatch", "-o", "yaml")
	if code != 0 || strings.Contains(out, trying) {
		return fmt.Errorf("it is as the test left it: %s", stderr)
	}
	return nil
}

// trying marks the messages of a backstop that a test has changed.
const trying = " (a test has it under "

// backstopUnder gives the backstop a failure policy, and waits until the API server goes by it.
func backstopUnder(t *testing.T, failure admissionv1.FailurePolicyType) {
	t.Helper()
	admin, p := here.Client(t, "admin"), &admissionv1.ValidatingAdmissionPolicy{}
	world.Must(t, admin.Get(t.Context(), client.ObjectKey{Name: "gitlatch"}, p))
	p.Spec.FailurePolicy = &failure
	for i := range p.Spec.Validations {
		said, _, _ := strings.Cut(p.Spec.Validations[i].Message, trying)
		p.Spec.Validations[i].Message = said + trying + string(failure) + ")"
	}
	world.Must(t, admin.Update(t.Context(), p))
	world.Eventually(t, "the backstop to be under "+string(failure), waitLong, func(context.Context) error {
		if a := known(t, "alice").send(t, probing("default", "backstop")); !strings.Contains(a.said, trying+string(failure)) {
			return fmt.Errorf("the probe is answered %d: %.200s", a.code, a.said)
		}
		return nil
	})
}
