package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// subject is the object that is asked about. It may be gone.
type subject struct {
	kind            schema.GroupVersionKind
	resource        string
	namespace, name string
	live            metav1.Object // nil: gone
}

func (s *subject) String() string { return describe(s.kind.Group, s.kind.Kind, s.namespace, s.name) }

func (s *subject) annotation(key string) string {
	if s.live == nil {
		return ""
	}
	return s.live.GetAnnotations()[key]
}

func (s *subject) label(key string) string {
	if s.live == nil {
		return ""
	}
	return s.live.GetLabels()[key]
}

// find resolves the object the way kubectl does. One that is gone is known by its kind
// and name alone.
func (w *why) find(args []string) (*subject, error) {
	if _, err := w.server.config(); err != nil {
		return nil, err
	}
	kind, name, err := typeAndName(args)
	if err != nil {
		return nil, err
	}
	mapping, err := w.mapping(kind)
	if err != nil {
		return nil, err
	}
	found := &subject{kind: mapping.GroupVersionKind, resource: mapping.Resource.Resource, name: name}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if found.namespace, _, err = w.server.namespace(); err != nil {
			return nil, err
		}
	}
	infos, err := resource.NewBuilder(w.server.flags).
		Unstructured().
		NamespaceParam(found.namespace).DefaultNamespace().
		ResourceTypeOrNameArgs(false, kind+"/"+name).
		Do().
		Infos()
	if apierrors.IsNotFound(err) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, badInput(fmt.Errorf("%q names %d objects: name one", strings.Join(args, " "), len(infos)))
	}
	found.live, err = meta.Accessor(infos[0].Object)
	return found, err
}

func typeAndName(args []string) (kind, name string, err error) {
	kind, name, ok := strings.Cut(args[0], "/")
	if len(args) == 2 {
		if ok || strings.Contains(args[1], "/") {
			return "", "", badInput(errors.New("name one object: TYPE/NAME or TYPE NAME"))
		}
		kind, name, ok = args[0], args[1], true
	}
	if !ok || kind == "" || name == "" || strings.ContainsAny(kind+name, ",/") {
		return "", "", badInput(fmt.Errorf("%q names no object: use TYPE/NAME, such as deployment/web", strings.Join(args, " ")))
	}
	return kind, name, nil
}

// mapping finds a type as kubectl does: by its name, a short one too, or by its kind,
// with or without a group.
func (w *why) mapping(kind string) (*meta.RESTMapping, error) {
	mapper, err := w.server.flags.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	full, partial := schema.ParseResourceArg(kind)
	if full != nil {
		if found, err := mapper.KindFor(*full); err == nil {
			return mapper.RESTMapping(found.GroupKind(), found.Version)
		}
	}
	found, err := mapper.KindFor(partial.WithVersion(""))
	if err == nil {
		return mapper.RESTMapping(found.GroupKind(), found.Version)
	}
	if !meta.IsNoMatchError(err) {
		return nil, err
	}
	mapping, err := mapper.RESTMapping(schema.ParseGroupKind(kind))
	if err != nil {
		return nil, fmt.Errorf("the API server knows no type %q", kind)
	}
	return mapping, nil
}

// records are those of the object, in order of time.
func (w *why) records(ctx context.Context, of *subject) ([]v1alpha1.ChangeRecord, error) {
	reader, err := w.server.records()
	if err != nil {
		return nil, err
	}
	selected := labels.Set{}
	if of.namespace != "" {
		selected[v1alpha1.LabelNamespace] = record.LabelValue(of.namespace)
	}
	all := newNewest(0)
	err = reader.each(ctx, metav1.ListOptions{LabelSelector: selected.String(), Limit: 500}, func(r *v1alpha1.ChangeRecord) error {
		if of.isTarget(r) {
			all.add(r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	newestFirst := all.sorted()
	oldestFirst := make([]v1alpha1.ChangeRecord, 0, len(newestFirst))
	for i := range newestFirst {
		oldestFirst = append(oldestFirst, newestFirst[len(newestFirst)-1-i])
	}
	return oldestFirst, nil
}

// isTarget says whether a record is about the object, or something of it such as its
// scale.
func (s *subject) isTarget(r *v1alpha1.ChangeRecord) bool {
	request := &r.Spec.Request
	name := request.Name
	if r.Status.Name != "" {
		name = r.Status.Name
	}
	return name == s.name && request.Namespace == s.recorded() && request.Group == s.kind.Group &&
		(request.Resource == s.resource || request.Resource == "" && request.Kind == s.kind.Kind)
}

// recorded is the namespace that a record names: a namespace is said to be in itself.
func (s *subject) recorded() string {
	if s.kind.Group == "" && s.kind.Kind == "Namespace" {
		return s.name
	}
	return s.namespace
}
