package live

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Unhealthy is an object that does not work, or not yet.
type Unhealthy struct {
	Ref Ref
	// Failed: it will not get better by waiting, as far as kstatus can tell.
	Failed  bool
	Message string
}

// inert kinds have no health: to be there is all that they do. Secrets are not read.
var inert = map[schema.GroupKind]bool{
	{Kind: "ConfigMap"}: true, {Kind: "Secret"}: true, {Kind: "ServiceAccount"}: true,
	{Kind: "LimitRange"}: true, {Kind: "ResourceQuota"}: true, {Kind: "PodTemplate"}: true, {Kind: "Endpoints"}: true,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}: true, {Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}: true,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}: true, {Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: true,
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}: true, {Group: "networking.k8s.io", Kind: "IngressClass"}: true,
	{Group: "storage.k8s.io", Kind: "StorageClass"}: true, {Group: "scheduling.k8s.io", Kind: "PriorityClass"}: true,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}: true, {Group: "node.k8s.io", Kind: "RuntimeClass"}: true,
}

// listFrom so many objects of one kind and namespace, they are listed, not got.
const listFrom = 4

type place struct {
	gvk       schema.GroupVersionKind
	namespace string
}

// Health says which of the objects are not as they are meant to be, by the rules of
// kstatus, in order of their refs. It holds one object at a time.
func (c *Cluster) Health(ctx context.Context, refs []Ref) ([]Unhealthy, error) {
	places := map[place]map[string]bool{}
	for _, r := range refs {
		if inert[schema.GroupKind{Group: r.Group, Kind: r.Kind}] {
			continue
		}
		p := place{r.GVK(), r.Namespace}
		if places[p] == nil {
			places[p] = map[string]bool{}
		}
		places[p][r.Name] = true
	}
	var out []Unhealthy
	for p, names := range places {
		found, err := c.healthIn(ctx, p, names)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b Unhealthy) int { return cmp.Compare(a.Ref.Entry().ID, b.Ref.Entry().ID) })
	return out, nil
}

func (c *Cluster) healthIn(ctx context.Context, p place, names map[string]bool) (out []Unhealthy, err error) {
	judge := func(obj *unstructured.Unstructured) {
		ref := p.ref(obj.GetName())
		delete(names, ref.Name)
		if u, bad := judged(ref, obj); bad {
			out = append(out, u)
		}
	}
	if len(names) >= listFrom {
		if err := c.eachOf(ctx, p, func(obj *unstructured.Unstructured) {
			if names[obj.GetName()] {
				judge(obj)
			}
		}); err != nil {
			return nil, err
		}
	}
	for name := range names {
		obj, err := c.Get(ctx, p.ref(name))
		switch {
		case apierrors.IsNotFound(err) || unserved(err):
			out = append(out, Unhealthy{Ref: p.ref(name), Message: "it is not there"})
		case err != nil:
			return nil, err
		default:
			judge(obj)
		}
	}
	return out, nil
}

func (p place) ref(name string) Ref {
	return Ref{Key: Key{p.gvk.Group, p.gvk.Kind, p.namespace, name}, Version: p.gvk.Version}
}

func judged(ref Ref, obj *unstructured.Unstructured) (Unhealthy, bool) {
	result, err := status.Compute(obj)
	switch {
	case err != nil:
		return Unhealthy{Ref: ref, Message: fmt.Sprintf("its status can't be read: %v", err)}, true
	case result.Status == status.CurrentStatus:
		return Unhealthy{}, false
	}
	text := result.Message
	if text == "" {
		text = string(result.Status)
	}
	return Unhealthy{Ref: ref, Failed: result.Status == status.FailedStatus, Message: text}, true
}

// eachOf lists the objects that syncs declare, page by page, and reads one after the
// other off the connection.
func (c *Cluster) eachOf(ctx context.Context, p place, visit func(*unstructured.Unstructured)) error {
	m, err := c.mapping(p.gvk)
	if unserved(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for next := ""; ; {
		if next, err = c.page(ctx, m, p, next, visit); err != nil {
			return fmt.Errorf("listing %s: %w", m.Resource.GroupResource(), err)
		}
		if next == "" {
			return nil
		}
	}
}

func (c *Cluster) page(ctx context.Context, m *meta.RESTMapping, p place, from string, visit func(*unstructured.Unstructured)) (next string, err error) {
	body, err := c.rest.Get().AbsPath(path(m, p.namespace, "")...).
		Param("labelSelector", v1alpha1.LabelSync).Param("limit", strconv.Itoa(pageSize)).Param("continue", from).
		SetHeader("Accept", "application/json").Stream(ctx)
	if err != nil {
		return "", err
	}
	defer body.Close()
	d := json.NewDecoder(body)
	if _, err := d.Token(); err != nil {
		return "", err
	}
	for d.More() {
		field, err := d.Token()
		if err != nil {
			return "", err
		}
		switch field {
		case "metadata":
			var list struct{ Continue string }
			err = d.Decode(&list)
			next = list.Continue
		case "items":
			err = readItems(d, p.gvk, visit)
		default:
			var other json.RawMessage
			err = d.Decode(&other)
		}
		if err != nil {
			return "", err
		}
	}
	_, err = d.Token()
	return next, err
}

func readItems(d *json.Decoder, gvk schema.GroupVersionKind, visit func(*unstructured.Unstructured)) error {
	start, err := d.Token()
	if err != nil || start == nil { // null: none
		return err
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		obj := &unstructured.Unstructured{}
		if err := utiljson.Unmarshal(raw, &obj.Object); err != nil {
			return err
		}
		obj.SetGroupVersionKind(gvk) // items of a list need not say it
		visit(obj)
	}
	_, err = d.Token()
	return err
}
