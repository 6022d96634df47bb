package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// lane is a namespace in which one window after the other is opened, used and ended.
type lane struct {
	load      *killLoad
	namespace string
	rounds    int
}

func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		l.round(context.WithoutCancel(ctx))
		if sleep(ctx, calm/2) != nil {
			return
		}
	}
}

// round opens a window, does in it what an emergency takes, ends it, and tries once more. Webhooks are killed meanwhile:
// what is not answered may be anything, and the audit log tells.
func (l *lane) round(ctx context.Context) {
	l.rounds++
	oncall, ns, made := l.load.oncall, l.namespace, l.load.name("w")
	if l.annotate(ctx, `"INC-42: the database is gone"`) != nil {
		return
	}
	token := l.load.name("w")
	for _, do := range []func() error{
		func() error { return patchData(ctx, oncall, ns, "settings", token) },
		func() error { return scale(ctx, oncall, ns, token, l.rounds) },
		func() error { return execInto(ctx, oncall, ns) },
		func() error { return create(ctx, oncall, ns, made) },
		func() error { return oncall.CoreV1().ConfigMaps(ns).Delete(ctx, made, metav1.DeleteOptions{}) },
	} {
		token = l.load.name("w")
		if err := persist(ctx, do); err != nil {
			l.load.wrong.add("in a window: " + string(reasonOf(err)))
		}
	}
	if l.annotate(ctx, "null") != nil {
		return
	}
	token = l.load.name("w")
	_ = persist(ctx, func() error { return patchData(ctx, oncall, ns, "settings", token) })
}

// annotate writes the annotation that opens and ends a window on the whole namespace.
func (l *lane) annotate(ctx context.Context, value string) error {
	token := l.load.name("w")
	return persist(ctx, func() error { return l.patch(ctx, value, token) })
}

func (l *lane) patch(ctx context.Context, value, token string) error {
	body := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%s}}}`, v1alpha1.AnnotationBreakGlass, value)
	_, err := l.load.oncall.CoreV1().Namespaces().Patch(ctx, l.namespace, types.MergePatchType, body, metav1.PatchOptions{FieldManager: token})
	return err
}
