package desired

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObjectsAreInTheOrderInWhichTheyCanBeApplied(t *testing.T) {
	ordered := []struct{ version, kind, name string }{
		{"v1", "Namespace", "prod"},
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition", "crontabs.stable.example.com"},
		{"networking.k8s.io/v1", "IngressClass", "web"},
		{"scheduling.k8s.io/v1", "PriorityClass", "high"},
		{"v1", "ServiceAccount", "web"},
		{"rbac.authorization.k8s.io/v1", "ClusterRole", "web"},
		{"rbac.authorization.k8s.io/v1", "RoleBinding", "web"},
		{"v1", "ConfigMap", "a"},
		{"v1", "ConfigMap", "b"},
		{"networking.k8s.io/v1", "NetworkPolicy", "web"},
		{"v1", "Secret", "web"},
		{"v1", "PersistentVolumeClaim", "web"},
		{"v1", "Service", "web"},
		{"apps/v1", "Deployment", "web"},
		{"batch/v1", "Job", "web"},
		{"autoscaling/v2", "HorizontalPodAutoscaler", "web"},
		{"networking.k8s.io/v1", "Ingress", "web"},
		{"stable.example.com/v1", "CronTab", "nightly"},
		{"apiregistration.k8s.io/v1", "APIService", "v1.metrics.example.com"},
		{"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "web"},
	}
	var text strings.Builder
	var want []string
	for i := range ordered {
		o := ordered[len(ordered)-1-i]
		text.WriteString("apiVersion: " + o.version + "\nkind: " + o.kind + "\nmetadata: {name: " + o.name + "}\n---\n")
		want = append(want, ordered[i].kind+" "+ordered[i].name)
	}
	set, err := Render(t.Context(), folder(map[string]string{"all.yaml": text.String()}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range set.Objects {
		got = append(got, o.GetKind()+" "+o.GetName())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAKindOfTheSameNameInAnotherGroupIsACustomResource(t *testing.T) {
	if builtin, custom := Stage("", "Service"), Stage("serving.knative.dev", "Service"); custom <= builtin {
		t.Errorf("stages are %d and %d", builtin, custom)
	}
}
