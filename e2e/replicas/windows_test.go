package replicas

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// A window that one replica has opened holds on the first request that comes to
// another, whatever the request is, and no longer than until it is ended.
func TestAWindowHoldsOnEveryReplica(t *testing.T) {
	defer all(t)
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, fmt.Sprintf(deployment, ns))
	oncall := here.Client(t, "oncall")
	namespace := &corev1.Namespace{}
	namespace.Name = ns
	for round, c := range []struct {
		what string
		do   func(t *testing.T) error
	}{
		{"a change", func(t *testing.T) error {
			return oncall.Patch(t.Context(), configMap(ns, "kept"), patchOf(`{"data":{"round":"%s"}}`, here.Named("r")))
		}},
		{"a scale", func(t *testing.T) error {
			return kubectl(t, "-n", ns, "scale", "deployment", "web", "--replicas=2")
		}},
		{"an exec", func(t *testing.T) error {
			return kubectl(t, "-n", ns, "exec", "still", "--", "sh")
		}},
		{"a create", func(t *testing.T) error {
			return oncall.Create(t.Context(), configMap(ns, here.Named("new")))
		}},
		{"a deletion", func(t *testing.T) error {
			return oncall.Delete(t.Context(), configMap(ns, "doomed"))
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			a, b, d := round%replicas, (round+1)%replicas, (round+2)%replicas
			only(t, b)
			denied(t, c.do(t), "before the window")
			only(t, a)
			world.Must(t, oncall.Patch(t.Context(), namespace.DeepCopy(), breakGlass()))
			only(t, b)
			if err := c.do(t); err != nil {
				t.Errorf("within the window: %v", err)
			}
			only(t, d)
			world.Must(t, oncall.Patch(t.Context(), namespace.DeepCopy(), endGlass()))
			for _, i := range []int{a, b, d} {
				only(t, i)
				denied(t, oncall.Patch(t.Context(), configMap(ns, "kept"), patchOf(`{"data":{"late":"%s"}}`, here.Named("l"))),
					fmt.Sprintf("after the window, on replica %d of %d, %d, %d", i, a, b, d))
			}
		})
	}
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %[1]s}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: still, namespace: %[1]s}
spec: {containers: [{name: web, image: registry.example/web:1}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, namespace: %[1]s}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: doomed, namespace: %[1]s}
`

// kubectl is oncall's, and its error is what the API server said. There is no kubelet: an
// exec that is admitted fails for want of a node.
func kubectl(t *testing.T, args ...string) error {
	t.Helper()
	got := here.Kubectl(t, "oncall", args...)
	if got.Code == 0 || args[2] == "exec" && !strings.Contains(got.Err, "gitlatch.dev") {
		return nil
	}
	return &said{got.Err}
}

type said struct{ text string }

func (s *said) Error() string { return s.text }

// However many connections the next requests come on, none is admitted by a window
// that was ended before they were made: no replica trusts what it has heard last.
func TestNoReplicaHonoursAWindowThatHasEnded(t *testing.T) {
	all(t)
	ns := here.NewNamespace(t, "{}")
	oncall := here.Client(t, "oncall")
	for round := range 8 {
		cm := declared(t, ns)
		world.Must(t, oncall.Patch(t.Context(), cm.DeepCopy(), breakGlass()))
		var opened sync.WaitGroup
		for i := range 6 { // every replica knows of the window
			opened.Go(func() {
				if err := oncall.Patch(t.Context(), cm.DeepCopy(), patchOf(`{"data":{"within-%d":"x"}}`, i)); err != nil {
					t.Errorf("round %d: within the window: %v", round, err)
				}
			})
		}
		opened.Wait()
		world.Must(t, oncall.Patch(t.Context(), cm.DeepCopy(), endGlass()))
		var late sync.WaitGroup
		for i := range 6 {
			late.Go(func() {
				denied(t, oncall.Patch(t.Context(), cm.DeepCopy(), patchOf(`{"data":{"late-%d":"x"}}`, i)), fmt.Sprintf("round %d, after the window", round))
			})
		}
		late.Wait()
		got := &corev1.ConfigMap{}
		world.Must(t, oncall.Get(t.Context(), client.ObjectKeyFromObject(cm), got))
		if _, marked := got.Annotations[v1alpha1.AnnotationBreakGlassBy]; marked {
			t.Errorf("round %d: the marks stay: %v", round, got.Annotations)
		}
	}
}
