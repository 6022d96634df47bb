package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// deleteRest deletes what is left, the namespace last, and waits until all of it is gone.
func (u *uninstall) deleteRest(ctx context.Context, r *removal, s *removalStep) error {
	if err := u.noteHeads(ctx, r); err != nil {
		return err
	}
	if err := u.forceOut(ctx, r); err != nil {
		return err
	}
	if slices.ContainsFunc(s.targets, isRecordsCRD) {
		if err := u.saveRecords(ctx, r, s); err != nil { // the last moment for one that came late
			return err
		}
	}
	if err := u.deleteAll(ctx, r, s); err != nil {
		return err
	}
	var left []removed
	err := u.until(ctx, func() (bool, error) {
		left = slices.DeleteFunc(slices.Clone(s.targets), func(t removed) bool {
			_, err := r.cluster.objects.Resource(t.kind.GroupVersionResource).Namespace(t.namespace).Get(ctx, t.name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		return len(left) == 0, nil
	})
	if errors.Is(err, errStillThere) {
		return fmt.Errorf("%s is not gone after %s: its status says what holds it (docs/runbooks/terminating.md)", left[0], u.timeout)
	}
	return err
}

// forceOut removes pods whose node does not: nothing runs for them that could still do
// anything, since their rights are gone.
func (u *uninstall) forceOut(ctx context.Context, r *removal) error {
	pods, err := r.cluster.pods(ctx)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		now := int64(0)
		err := r.cluster.objects.Resource(pod.kind.GroupVersionResource).Namespace(pod.namespace).
			Delete(ctx, pod.name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting %s: %w", pod, err)
		}
	}
	return nil
}

// planNamespace decides what becomes of the namespace, and puts what Gitlatch made there
// while it ran beside what was installed.
func (u *uninstall) planNamespace(ctx context.Context, r *removal, ours []removed) error {
	namespace := slices.IndexFunc(ours, func(t removed) bool { return t.kind.Group == "" && t.kind.Resource == "namespaces" })
	foreign, made, err := r.cluster.within(ctx, r.Place.Namespace)
	if err != nil {
		return err
	}
	rest := r.step("rest")
	rest.targets = append(rest.targets, made...)
	for _, t := range made {
		rest.Objects = append(rest.Objects, t.String())
	}
	if namespace < 0 {
		return nil // nobody installed it with Gitlatch
	}
	if at := slices.IndexFunc(rest.targets, func(t removed) bool { return t.String() == ours[namespace].String() }); at >= 0 {
		rest.targets = slices.Delete(rest.targets, at, at+1)
	}
	switch {
	case len(foreign) == 0:
		rest.targets = append(rest.targets, ours[namespace])
	case u.namespace:
		rest.targets = append(rest.targets, ours[namespace])
		r.note("with the namespace goes what Gitlatch did not make: %s", strings.Join(foreign, ", "))
	default:
		r.Kept = append(r.Kept, keptObject{ours[namespace].String(), "it holds what Gitlatch did not make: " + strings.Join(foreign, ", ") +
			"; --delete-namespace takes that along"})
	}
	rest.Objects = nil
	for _, t := range rest.targets {
		rest.Objects = append(rest.Objects, t.String())
	}
	return nil
}

func (r *removal) step(name string) *removalStep {
	return r.Steps[slices.IndexFunc(r.Steps, func(s *removalStep) bool { return s.Step == name })]
}

// within tells what is in the namespace that others made, and what Gitlatch's processes
// made. What its objects own goes with them; what the control plane puts into every
// namespace is nobody's.
func (c *removalCluster) within(ctx context.Context, namespace string) (foreign []string, made []removed, err error) {
	for i := range c.kinds {
		k := &c.kinds[i]
		if !k.Namespaced || k.Resource == "events" || k.Group == v1alpha1.Group || k.Resource == "podmetrics" {
			continue
		}
		err := c.eachIn(ctx, k, namespace, metav1.ListOptions{}, func(o *metav1.PartialObjectMetadata) error {
			switch t := (removed{*k, o.Namespace, o.Name}); {
			case slices.Contains(madeByUs(), k.Resource+"/"+o.Name):
				made = append(made, t)
			case everywhere(k, o), k.Resource != "secrets" && len(o.OwnerReferences) > 0,
				o.Labels["app.kubernetes.io/part-of"] == ownPrefix && (isOurs(t, namespace) || follows(t)):
			default:
				foreign = append(foreign, t.String())
			}
			return nil
		})
		switch {
		case apierrors.IsForbidden(err):
			foreign = append(foreign, "perhaps "+k.GroupResource().String()+", which you may not list")
		case serverSaid(err):
			foreign = append(foreign, "perhaps "+k.GroupResource().String()+", which can't be listed ("+line(err.Error())+")")
		case err != nil:
			return nil, nil, err
		}
	}
	for _, gv := range c.silent {
		foreign = append(foreign, "perhaps objects of "+gv+", which does not answer")
	}
	slices.Sort(foreign)
	return foreign, made, nil
}

// follows: it goes with a Deployment or a Service of ours.
func follows(t removed) bool {
	return ourName(t.name) && t.kind.Group == "" && slices.Contains([]string{"pods", "endpoints"}, t.kind.Resource)
}

// madeByUs is what the processes make in their namespace, and the dashboard of
// manifests/monitoring, which a generator makes.
func madeByUs() []string {
	return []string{
		"secrets/gitlatch-webhook-ca", "configmaps/gitlatch-reporter", "configmaps/gitlatch-dashboard",
		"leases/gitlatch-webhook", "leases/gitlatch-applier", "leases/gitlatch-reporter",
	}
}

// everywhere: the control plane, or cert-manager for a Certificate of ours, made it.
func everywhere(k *removalKind, o *metav1.PartialObjectMetadata) bool {
	switch k.Resource {
	case "serviceaccounts":
		return o.Name == "default"
	case "configmaps":
		return o.Name == "kube-root-ca.crt" || o.Name == "openshift-service-ca.crt"
	case "secrets":
		return o.Annotations["kubernetes.io/service-account.name"] != "" ||
			strings.HasPrefix(o.Annotations["cert-manager.io/certificate-name"], ownPrefix)
	}
	return false
}
