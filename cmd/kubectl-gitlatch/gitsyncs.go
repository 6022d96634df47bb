package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// syncNamespace is where syncs are looked for when no -n names another namespace. The
// kubeconfig's own namespace is where somebody's workloads are, hardly ever their syncs.
const syncNamespace = "gitlatch-system"

const syncNamespaceHelp = `
Syncs are looked for in the namespace gitlatch-system, or in the one that -n names;
the kubeconfig's namespace makes no difference.`

// syncsIn is the namespace of syncs.
func (s *server) syncsIn() string {
	if named := *s.flags.Namespace; named != "" {
		return named
	}
	return syncNamespace
}

// syncClient reads and patches GitSyncs.
type syncClient struct{ client rest.Interface }

func (s *server) syncs() (*syncClient, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	return &syncClient{client: client}, nil
}

func (c *syncClient) get(ctx context.Context, key types.NamespacedName) (*v1alpha1.GitSync, error) {
	sync := &v1alpha1.GitSync{}
	err := c.client.Get().Resource("gitsyncs").Namespace(key.Namespace).Name(key.Name).Do(ctx).Into(sync)
	return sync, explainSync(err, key)
}

// list returns the syncs of a namespace, or of all with an empty one.
func (c *syncClient) list(ctx context.Context, namespace string) ([]v1alpha1.GitSync, error) {
	list := &v1alpha1.GitSyncList{}
	err := c.client.Get().Resource("gitsyncs").Namespace(namespace).Do(ctx).Into(list)
	return list.Items, explainSync(err, types.NamespacedName{Namespace: namespace})
}

// patch merges changes into a sync. The gate's refusal is returned as it is.
func (c *syncClient) patch(ctx context.Context, key types.NamespacedName, changes map[string]any) (*v1alpha1.GitSync, error) {
	body, err := json.Marshal(changes)
	if err != nil {
		return nil, fmt.Errorf("encoding a patch of GitSync %s: %w", key, err)
	}
	sync := &v1alpha1.GitSync{}
	err = c.client.Patch(types.MergePatchType).Resource("gitsyncs").Namespace(key.Namespace).Name(key.Name).
		Param("fieldManager", fieldManager).Body(body).Do(ctx).Into(sync)
	return sync, explainSync(err, key)
}

// explainSync tells a path that the API server does not serve apart from a sync that is
// not there.
func explainSync(err error, key types.NamespacedName) error {
	switch {
	case !apierrors.IsNotFound(err):
		return err
	case apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse):
		return fmt.Errorf("this cluster has no Gitlatch: it knows no gitsyncs.%s", v1alpha1.Group)
	}
	return fmt.Errorf("no GitSync %s: kubectl get gitsyncs --all-namespaces names those that there are", key)
}

// selection is which syncs a command is for.
type selection struct {
	all, everywhere bool
}

func (s *selection) add(f *pflag.FlagSet) {
	f.BoolVar(&s.all, "all", false, "every sync of the namespace")
	f.BoolVarP(&s.everywhere, "all-namespaces", "A", false, "every sync of every namespace")
}

// of returns the selected syncs.
func (s *selection) of(ctx context.Context, server *server, client *syncClient, names []string) ([]types.NamespacedName, error) {
	namespace := server.syncsIn()
	var keys []types.NamespacedName
	switch {
	case s.everywhere:
		namespace = metav1.NamespaceAll
		fallthrough
	case s.all:
		syncs, err := client.list(ctx, namespace)
		if err != nil {
			return nil, err
		}
		for i := range syncs {
			keys = append(keys, types.NamespacedName{Namespace: syncs[i].Namespace, Name: syncs[i].Name})
		}
		if len(keys) == 0 {
			return nil, errors.New("there are no syncs")
		}
		return keys, nil
	}
	for _, name := range names {
		keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
	}
	return keys, nil
}

// check refuses names beside --all, and neither.
func (s *selection) check(names []string) error {
	every := s.all || s.everywhere
	switch {
	case every && len(names) > 0:
		return badInput(errors.New("name syncs, or pass --all: not both"))
	case !every && len(names) == 0:
		return badInput(errors.New("name a sync, or pass --all"))
	}
	return nil
}

// completeSyncs offers the names of syncs, up to so many arguments; 0 is no limit.
func completeSyncs(server *server, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := server.syncs()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		syncs, err := client.list(cmd.Context(), server.syncsIn())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for i := range syncs {
			names = append(names, syncs[i].Name+"\t"+line(syncs[i].Spec.URL))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
