package main

import (
	"context"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// crew are clients of those who write, made once.
type crew struct {
	sync, operator, oncall kubernetes.Interface
	people                 []kubernetes.Interface
	named                  atomic.Int64
}

// name is one that nobody has used before.
func (cr *crew) name(prefix string) string { return fmt.Sprintf("%s-%d", prefix, cr.named.Add(1)) }

func (w *world) crew() (*crew, error) {
	cr := &crew{}
	var err error
	for user, c := range map[string]*kubernetes.Interface{gitlatch.SyncLogin: &cr.sync, operator: &cr.operator, "oncall": &cr.oncall} {
		if *c, err = w.client(user); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		c, err := w.client(name)
		if err != nil {
			return nil, err
		}
		cr.people = append(cr.people, c)
	}
	return cr, nil
}

func (cr *crew) person(i int) kubernetes.Interface { return cr.people[i%len(cr.people)] }

// syncs are git's writes: the gate is not asked.
func (cr *crew) syncs(share int) *kind {
	return &kind{name: "sync", share: share, wanted: []answer{stored}, write: func(ctx context.Context, i int) error {
		return patchConfigMap(ctx, cr.sync, enforced, target(i), gitlatch.SyncFieldManager, i)
	}}
}

// controls are a controller's writes to its own: the gate is not asked either.
func (cr *crew) controls(share int) *kind {
	return &kind{name: "controller, its own", share: share, wanted: []answer{stored}, write: func(ctx context.Context, i int) error {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("own-%d", i%targets), Namespace: enforced}, Data: map[string]string{"written": fmt.Sprint(i)}}
		_, err := cr.operator.CoreV1().ConfigMaps(enforced).Update(ctx, made, metav1.UpdateOptions{FieldManager: "operator"})
		return err
	}}
}

// owns makes what controls writes to.
func (cr *crew) owns(ctx context.Context) error {
	for i := range targets {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("own-%d", i), Namespace: enforced}}
		if _, err := cr.operator.CoreV1().ConfigMaps(enforced).Create(ctx, made, metav1.CreateOptions{FieldManager: "operator"}); err != nil {
			return fmt.Errorf("making the operator's objects: %w", err)
		}
	}
	return nil
}

// adds are a controller's writes of undeclared fields to declared objects: the gate judges them.
func (cr *crew) adds(share int) *kind {
	return &kind{name: "controller, on declared", share: share, wanted: []answer{stored}, write: func(ctx context.Context, i int) error {
		return patchConfigMap(ctx, cr.operator, enforced, target(i+7), "operator", i)
	}}
}

// repeats are persons who try the same again and again.
func (cr *crew) repeats(share int) *kind {
	return &kind{name: "person, denied again", share: share, wanted: []answer{denied}, write: func(ctx context.Context, i int) error {
		return patchConfigMap(ctx, cr.person(i), enforced, target(i), "kubectl", i)
	}}
}

// firsts are persons who try what nobody has tried: each denial is the first of its kind.
func (cr *crew) firsts(share int) *kind {
	return &kind{name: "person, denied first", share: share, wanted: []answer{denied}, write: func(ctx context.Context, i int) error {
		return createConfigMap(ctx, cr.person(i), enforced, cr.name("first"))
	}}
}

// warnings are persons who are let through, warned and recorded first.
func (cr *crew) warnings(share int) *kind {
	return &kind{name: "person, under Warn", share: share, wanted: []answer{stored}, write: func(ctx context.Context, i int) error {
		return patchConfigMap(ctx, cr.person(i), warned, target(i), "kubectl", i)
	}}
}

// patchConfigMap writes a key that is the manager's own: what git writes, git declares.
func patchConfigMap(ctx context.Context, c kubernetes.Interface, namespace, name, manager string, i int) error {
	body := fmt.Appendf(nil, `{"data":{"by-%s":"%d"}}`, manager, i)
	_, err := c.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: manager})
	return err
}

func createConfigMap(ctx context.Context, c kubernetes.Interface, namespace, name string) error {
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	_, err := c.CoreV1().ConfigMaps(namespace).Create(ctx, made, metav1.CreateOptions{FieldManager: "kubectl"})
	return err
}
