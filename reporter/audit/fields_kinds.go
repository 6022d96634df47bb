package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	metaclient "k8s.io/client-go/metadata"

	"github.com/gitlatch/gitlatch/policy"
)

// kind is one resource, in the one version that it is read in.
type kind struct {
	schema.GroupVersionResource
	kind       string
	namespaced bool
	examined   bool
}

func (k *kind) isNamespaces() bool { return k.Group == "" && k.Resource == "namespaces" }

// readKinds asks for every kind that can be listed. An aggregated API that is down
// takes its own kinds from us and no others.
func (s *survey) readKinds(ctx context.Context) error {
	lists, err := s.Discovery.ServerPreferredResourcesWithContext(ctx)
	var partial *discovery.ErrGroupDiscoveryFailed
	switch {
	case errors.As(err, &partial):
		for group, err := range partial.Groups {
			s.notExamined(group.String(), "asking which kinds it has: "+err.Error())
		}
	case err != nil:
		return fmt.Errorf("asking which kinds there are: %w", err)
	}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			s.notExamined(list.GroupVersion, err.Error())
			continue
		}
		for i := range list.APIResources {
			s.addKind(group, &list.APIResources[i])
		}
	}
	slices.SortFunc(s.kinds, func(a, b kind) int {
		return strings.Compare(a.GroupResource().String(), b.GroupResource().String())
	})
	slices.SortFunc(s.stats.NotExamined, func(a, b NotExamined) int { return strings.Compare(a.What, b.What) })
	return nil
}

func (s *survey) addKind(group schema.GroupVersion, r *metav1.APIResource) {
	k := kind{GroupVersionResource: group.WithResource(r.Name), kind: r.Kind, namespaced: r.Namespaced}
	switch {
	case strings.Contains(r.Name, "/"), policy.NeverAsked(k.Group, k.Resource, ""):
	case slices.Contains(r.Verbs, "list"):
		s.kinds = append(s.kinds, k)
	case slices.Contains(r.Verbs, "get"): // what has neither stores nothing, as reviews don't
		s.notExamined(k.GroupResource().String(), NeverListed)
	}
}

// of returns the kind by its name, nil where there is none that was examined.
func (s *survey) of(group, name string) *kind {
	for i := range s.kinds {
		if k := &s.kinds[i]; k.Group == group && k.kind == name {
			return k
		}
	}
	return nil
}

// readNamespaces reads the labels by which policies select.
func (s *survey) readNamespaces(ctx context.Context) error {
	k := &kind{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}}
	labels := map[string]map[string]string{}
	err := s.list(ctx, k, func(o *metav1.PartialObjectMetadata) {
		labels[o.Name] = o.Labels
		if o.Labels == nil {
			labels[o.Name] = map[string]string{}
		}
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil: // then each is judged as one that may be governed
		s.notExamined("labels of namespaces", err.Error())
		return nil
	}
	s.namespaces = labels
	return nil
}

func (s *survey) examineKinds(ctx context.Context) error {
	for i := range s.kinds {
		k := &s.kinds[i]
		s.done = i
		s.tell()
		if s.Namespace != "" && !k.namespaced && !k.isNamespaces() {
			continue
		}
		err := s.list(ctx, k, func(o *metav1.PartialObjectMetadata) { s.examine(k, o) })
		switch {
		case s.failed != nil:
			return s.failed
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.notExamined(k.GroupResource().String(), err.Error())
			continue
		}
		k.examined = true
		s.stats.Kinds++
	}
	s.done = len(s.kinds)
	s.tell()
	return nil
}

// restarts is how often one page is asked for whose place in the list the API server
// forgot.
const restarts = 3

// list reads the metadata of a kind page by page. Where the API server has compacted
// the state that a list was begun in, it offers to go on in a newer one; where it does
// not, the list is begun again, and what was told of is passed over.
func (s *survey) list(ctx context.Context, k *kind, each func(*metav1.PartialObjectMetadata)) error {
	reader := metaclient.ResourceInterface(s.Metadata.Resource(k.GroupVersionResource))
	options := metav1.ListOptions{Limit: s.pageSize()}
	switch {
	case s.Namespace != "" && k.isNamespaces():
		options.FieldSelector = "metadata.name=" + s.Namespace
	case s.Namespace != "" && k.namespaced:
		reader = s.Metadata.Resource(k.GroupVersionResource).Namespace(s.Namespace)
	}
	told, last, expired := "", "", 0
	for {
		page, err := reader.List(ctx, options)
		switch {
		case err == nil:
			expired = 0
		case (apierrors.IsResourceExpired(err) || apierrors.IsGone(err)) && expired < restarts:
			expired++
			if options.Continue = goesOnAt(err); options.Continue == "" {
				told = last
			}
			continue
		default:
			return fmt.Errorf("listing %s: %w", k.GroupResource(), err)
		}
		for i := range page.Items {
			o := &page.Items[i]
			if last = o.Namespace + "/" + o.Name; told != "" && last <= told {
				continue
			}
			if each(o); s.failed != nil {
				return s.failed
			}
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}

// goesOnAt is the token that an expired list's error carries: it goes on where the list
// was, and tells of a later state.
func goesOnAt(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Continue
	}
	return ""
}
