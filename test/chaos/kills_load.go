package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// killLoad is the mixed load of the scenario kills. Every write has a field manager of its own, by which the audit log
// and the record can be told to be of the same one, and makes a value of its own.
type killLoad struct {
	*load
	*world
	*crew
	lanes []*lane
	wrong *tally
}

// laneName is the namespace in which break-glass windows are opened, used and ended, one at a time.
func laneName(i int) string { return fmt.Sprintf("%s-glass-%d", enforced, i) }

const lanes = 2

// scalable are objects of one namespace. A StatefulSet makes no second pod while its first is not ready: it can be scaled at no cost.
const scalable = `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: %[1]s}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: registry.example/db:1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: still, namespace: %[1]s}
spec: {containers: [{name: db, image: registry.example/db:1}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: %[1]s}
---
`

func newKillLoad(ctx context.Context, w *world) (*killLoad, error) {
	cr, err := w.crew()
	if err != nil {
		return nil, err
	}
	l := &killLoad{world: w, crew: cr, wrong: &tally{}}
	objects := &strings.Builder{}
	for i := range lanes {
		fmt.Fprintf(objects, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n---\n", laneName(i))
		fmt.Fprintf(objects, scalable, laneName(i))
		l.lanes = append(l.lanes, &lane{load: l, namespace: laneName(i)})
	}
	fmt.Fprintf(objects, scalable, warned)
	if err := w.gate.Apply(ctx, objects.String()); err != nil {
		return nil, fmt.Errorf("declaring the objects to write to: %w", err)
	}
	if err := cr.owns(ctx); err != nil {
		return nil, err
	}
	adds := cr.adds(1)
	adds.wanted = append(adds.wanted, unanswered) // the gate is asked about these, and not about the two before
	l.load = &load{rate: 20, atOnce: 64, kinds: []*kind{
		cr.syncs(2), cr.controls(2), adds,
		l.kind("person, patch under Warn", 4, l.warnedPatch, stored),
		l.kind("person, create and delete under Warn", 3, l.warnedBirth, stored),
		l.kind("person, scale under Warn", 2, l.warnedScale, stored),
		l.kind("person, exec under Warn", 2, l.warnedExec, stored),
		l.kind("person, patch denied", 4, l.deniedPatch, backstopped),
		l.kind("person, delete denied", 1, l.deniedDelete, backstopped),
	}}
	return l, nil
}

// kind is one whose writes are answered like this, or denied by the gate, which denies what is warned of when it can't
// record it, or not at all while nobody of the gate is there.
func (l *killLoad) kind(name string, share int, write func(context.Context, string, int) error, right answer) *kind {
	return &kind{name: name, share: share, wanted: []answer{right, denied, unanswered}, write: func(ctx context.Context, i int) error {
		return write(ctx, l.name("w"), i)
	}}
}

// during runs the load, and the windows beside it.
func (l *killLoad) during(ctx context.Context, do func(context.Context) error) error {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var windows sync.WaitGroup
	for _, lane := range l.lanes {
		windows.Go(func() { lane.run(loading) })
	}
	err := l.load.during(ctx, do)
	stop()
	windows.Wait()
	return err
}

// persist does it again, as a person would, while nobody answers; soon, so that it stays the same attempt.
func persist(ctx context.Context, do func() error) error {
	began := time.Now()
	for {
		err := do()
		if answerTo(err) != unanswered || time.Since(began) > 2*time.Second || !strings.Contains(err.Error(), "failed calling webhook") {
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (l *killLoad) warnedPatch(ctx context.Context, token string, i int) error {
	return persist(ctx, func() error { return patchData(ctx, l.person(i), warned, target(i), token) })
}

func (l *killLoad) deniedPatch(ctx context.Context, token string, i int) error {
	return persist(ctx, func() error { return patchData(ctx, l.person(i), enforced, target(i%5), token) })
}

func (l *killLoad) deniedDelete(ctx context.Context, _ string, i int) error {
	return persist(ctx, func() error {
		return l.person(i).CoreV1().ConfigMaps(enforced).Delete(ctx, target(i%5), metav1.DeleteOptions{})
	})
}

func (l *killLoad) warnedBirth(ctx context.Context, token string, i int) error {
	err := persist(ctx, func() error { return create(ctx, l.person(i), warned, token) })
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return persist(ctx, func() error {
		return l.person(i+1).CoreV1().ConfigMaps(warned).Delete(ctx, token, metav1.DeleteOptions{})
	})
}

func (l *killLoad) warnedScale(ctx context.Context, token string, i int) error {
	return persist(ctx, func() error { return scale(ctx, l.person(i), warned, token, i) })
}

func (l *killLoad) warnedExec(ctx context.Context, _ string, i int) error {
	return persist(ctx, func() error { return execInto(ctx, l.person(i), warned) })
}

// patchData sets the value of a key that is written to again and again.
func patchData(ctx context.Context, c kubernetes.Interface, namespace, name, token string) error {
	body := fmt.Appendf(nil, `{"data":{"color":%q}}`, token)
	_, err := c.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: token})
	return err
}

func create(ctx context.Context, c kubernetes.Interface, namespace, token string) error {
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: token, Namespace: namespace}}
	_, err := c.CoreV1().ConfigMaps(namespace).Create(ctx, made, metav1.CreateOptions{FieldManager: token})
	return err
}

// scale asks for a number that the next hundreds do not.
func scale(ctx context.Context, c kubernetes.Interface, namespace, token string, i int) error {
	body := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, 2+i%997)
	_, err := c.AppsV1().StatefulSets(namespace).Patch(ctx, "db", types.MergePatchType, body, metav1.PatchOptions{FieldManager: token}, "scale")
	return err
}

// execInto is admitted, or not; then it fails, since there is no kubelet.
func execInto(ctx context.Context, c kubernetes.Interface, namespace string) error {
	err := c.CoreV1().RESTClient().Post().Namespace(namespace).Resource("pods").Name("still").SubResource("exec").
		Param("command", "sh").Param("stdout", "true").Do(ctx).Error()
	if deniedByGate(err) || err != nil && strings.Contains(err.Error(), "failed calling webhook") {
		return err
	}
	return nil
}
