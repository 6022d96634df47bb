package registration

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// bundles of a configuration, one for each webhook.
func bundles(c *admissionv1.MutatingWebhookConfiguration) []string {
	var out []string
	for i := range c.Webhooks {
		out = append(out, string(c.Webhooks[i].ClientConfig.CABundle))
	}
	return out
}

// The injector asked for puts its bundle there; ours fills in where there is none
// yet, so that a gate which is registered can be called, and is no reason to fight.
func TestOurBundleStandsUntilTheInjectorHasPutItsOwn(t *testing.T) {
	o := serviceOptions()
	o.CABundle, o.InjectCAFrom = []byte("ours"), "gitlatch-system/gitlatch-webhook"
	want, _, err := Compile(o, compiled(t, threePolicies()...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"cert-manager.io/inject-ca-from": "gitlatch-system/gitlatch-webhook"}, want.Annotations); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ours", "ours", "ours"}, bundles(want)); diff != "" {
		t.Errorf("what is registered first: %s", diff)
	}
	live := want.DeepCopy()
	for i := range live.Webhooks {
		live.Webhooks[i].ClientConfig.CABundle = []byte("injected")
	}
	if diff := cmp.Diff([]string(nil), differences(live, want)); diff != "" {
		t.Errorf("the injector's is taken for tampering: %s", diff)
	}
	live.Webhooks = live.Webhooks[:2] // a policy adds a webhook
	adopt(live, want)
	if diff := cmp.Diff([]string{"injected", "injected", "injected"}, bundles(live)); diff != "" {
		t.Error(diff)
	}
	live.Webhooks[1].ClientConfig.CABundle = nil // somebody empties one
	if diff := cmp.Diff([]string{"namespaces.gate.gitlatch.dev clientConfig"}, differences(live, want)); diff != "" {
		t.Error(diff)
	}
	delete(live.Annotations, injectCAFrom)
	if got := differences(live, want)[0]; got != "annotation cert-manager.io/inject-ca-from" {
		t.Errorf("the injector was called off: %s", got)
	}
}

// Who goes back to certificates of Gitlatch's own calls the injector off.
func TestAnInjectorThatIsNotAskedIsCalledOff(t *testing.T) {
	o := serviceOptions()
	o.CABundle, o.InjectCAFrom = []byte("ours"), "gitlatch-system/gitlatch-webhook"
	live, _, err := Compile(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	live.Annotations["cert-manager.io/inject-ca-from-secret"] = "gitlatch-system/x"
	o.InjectCAFrom = ""
	want, _, err := Compile(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{"annotation cert-manager.io/inject-ca-from", "annotation cert-manager.io/inject-ca-from-secret"}
	if diff := cmp.Diff(wanted, differences(live, want)); diff != "" {
		t.Error(diff)
	}
	adopt(live, want)
	if diff := cmp.Diff(map[string]string{}, live.Annotations); diff != "" {
		t.Error(diff)
	}
	o.CABundle = nil // whoever runs an injector of their own may ask it
	live.Annotations[injectCAFrom] = "a/b"
	if want, _, err = Compile(o, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string(nil), differences(live, want)); diff != "" {
		t.Error(diff)
	}
}
