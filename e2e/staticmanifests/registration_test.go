package staticmanifests

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// TestGitlatchKeepsItsOwnRegistration: it follows a policy, and puts back what an administrator of the group took away.
func TestGitlatchKeepsItsOwnRegistration(t *testing.T) {
	admin := here.Client(t, "admin")
	before := &admissionv1.ValidatingWebhookConfiguration{}
	world.Must(t, admin.Get(t.Context(), client.ObjectKey{Name: "gitlatch"}, before))
	t.Cleanup(func() { world.Must(t, here.Gate.Policy(context.Background(), gitlatch.EnforceAll())) })
	world.Must(t, here.Gate.Policy(t.Context(), strings.Replace(gitlatch.EnforceAll(), "[kube-node-lease]", "[kube-node-lease, elsewhere]", 1)))
	after := &admissionv1.ValidatingWebhookConfiguration{}
	world.Eventually(t, "the registration to follow the policy", 30*time.Second, func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKey{Name: "gitlatch"}, after); err != nil {
			return err
		}
		if after.Generation == before.Generation {
			return errors.New("it is as it was")
		}
		return nil
	})
	here.Kubectl(t, "admin", "delete", "validatingwebhookconfiguration", "gitlatch").MustAllow(t)
	world.Must(t, here.Gate.WaitRegistered(t.Context()))
}

// TestACAInjectorChangesTheBundleAlone, and only where Gitlatch was registered with one, and only with its pod.
func TestACAInjectorChangesTheBundleAlone(t *testing.T) {
	const injected, plain = "gitlatch-injected", "gitlatch-plain"
	for name, annotations := range map[string]string{injected: "{cert-manager.io/inject-ca-from: a/b}", plain: "{}"} {
		here.KubectlIn(t, "admin", injectable(name, annotations), "apply", "-f", "-").MustAllow(t)
	}
	const (
		bundle = `[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"eA=="}]`
		rules  = `[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"eQ=="},{"op":"remove","path":"/webhooks/0/rules"}]`
		url    = `[{"op":"replace","path":"/webhooks/0/clientConfig/url","value":"https://localhost:2/"}]`
		none   = `[{"op":"remove","path":"/webhooks"}]`
	)
	patch := func(user, name, patch string) world.Result {
		return here.Kubectl(t, user, "patch", "validatingwebhookconfiguration", name, "--type=json", "-p", patch)
	}
	patch("alice", injected, bundle).MustFail(t, said)
	patch(injector+":unbound", injected, bundle).MustFail(t, said)
	patch(injector, plain, bundle).MustFail(t, said)
	patch(injector, injected, rules).MustFail(t, said)
	patch(injector, injected, url).MustFail(t, said)
	patch(injector, injected, none).MustFail(t, said)
	patch(injector, injected, bundle).MustAllow(t)
}

// injectable is a configuration under a name of Gitlatch's, of one webhook that nobody is asked by.
func injectable(name, annotations string) string {
	return `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: ` + name + `, annotations: ` + annotations + `}
webhooks:
- name: one.gitlatch.example
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: "https://localhost:1/"}
  rules:
  - {apiGroups: [nobody.example], apiVersions: ["*"], operations: [CREATE], resources: ["*"]}
`
}
