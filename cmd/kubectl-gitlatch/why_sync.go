package main

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// syncOf finds the sync that declares the object: the one that was named, or the one
// whose mark it bears. nil where a clone and a folder were given instead.
func (w *why) syncOf(ctx context.Context, found *subject) (*v1alpha1.GitSync, error) {
	mark := found.label(v1alpha1.LabelSync)
	switch {
	case w.sync != "":
		return w.syncNamed(ctx)
	case w.repo != "" && (w.pathSet || mark == ""):
		return nil, nil
	case mark != "":
		return w.syncMarked(ctx, found, mark)
	case found.live == nil:
		return nil, fmt.Errorf("%s is not in the cluster: to ask what removed it pass --sync [NAMESPACE/]NAME, or --repo DIR and --path FOLDER", found)
	}
	if foreign := foreignOf(found); foreign != "" {
		return nil, fmt.Errorf("%s is declared by %s: %w", found, foreign, errNoClone)
	}
	return nil, fmt.Errorf("%s is declared by no sync: it bears no label %s; if git declares it, %w", found, v1alpha1.LabelSync, errNoClone)
}

// syncNamed reads the sync that was named. -n is the object's namespace, not the sync's.
func (w *why) syncNamed(ctx context.Context) (*v1alpha1.GitSync, error) {
	key := types.NamespacedName{Namespace: syncNamespace, Name: w.sync}
	if namespace, name, ok := strings.Cut(w.sync, "/"); ok {
		key = types.NamespacedName{Namespace: namespace, Name: name}
	}
	client, err := w.server.syncs()
	if err != nil {
		return nil, err
	}
	return client.get(ctx, key)
}

// syncMarked finds the sync by its mark, which begins with its namespace.
func (w *why) syncMarked(ctx context.Context, found *subject, mark string) (*v1alpha1.GitSync, error) {
	namespace, _, _ := strings.Cut(mark, ".")
	client, err := w.server.syncs()
	if err != nil {
		return nil, err
	}
	syncs, err := client.list(ctx, namespace)
	if err != nil {
		return nil, fmt.Errorf("looking for the sync %s: %w", line(mark), err)
	}
	for i := range syncs {
		if v1alpha1.SyncLabel(syncs[i].Namespace, syncs[i].Name) == mark {
			return &syncs[i], nil
		}
	}
	return nil, fmt.Errorf("%s bears the mark of sync %s, which is not there: %w", found, line(mark), errNoClone)
}

// foreignOf tells by its marks which other system applies an object: Flux's and Argo
// CD's own (fluxcd.io/flux/components, argo-cd.readthedocs.io, "Resource Tracking").
func foreignOf(found *subject) string {
	for _, system := range []struct{ kind, name, namespace string }{
		{"Flux Kustomization", "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"},
		{"Flux HelmRelease", "helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"},
	} {
		if name := found.label(system.name); name != "" {
			return fmt.Sprintf("%s %s/%s", system.kind, line(found.label(system.namespace)), line(name))
		}
	}
	if app, _, ok := strings.Cut(found.annotation("argocd.argoproj.io/tracking-id"), ":"); ok {
		return "Argo CD Application " + line(app)
	}
	if app := found.label("argocd.argoproj.io/instance"); app != "" {
		return "Argo CD Application " + line(app)
	}
	return ""
}
