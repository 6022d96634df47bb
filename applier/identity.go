package applier

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// identity is whose rights a sync applies with: the applier's own, or those of a
// service account that it impersonates. The extra names the sync, which only the
// applier's account may set: by it the gate knows git's carrier.
type identity struct {
	account types.NamespacedName // empty: the applier itself
	sync    types.NamespacedName
}

func (i identity) String() string {
	if i.account.Name == "" {
		return "the applier"
	}
	return "system:serviceaccount:" + i.account.Namespace + ":" + i.account.Name
}

// namespaced: a tenant's account may watch in its namespaces only.
func (i identity) namespaced() bool { return i.account.Name != "" }

// clusters are the API server under each identity.
type clusters struct {
	config   *rest.Config
	metadata metadata.Interface // under the applier's own rights
	takeover []string           // field managers that are people, besides those known

	mu  sync.Mutex
	all map[identity]*live.Cluster
}

// identity of a sync. Whether the account is there is asked each time: the API server
// lets one be impersonated that is gone, as long as a binding names it.
func (c *clusters) identity(ctx context.Context, sync *v1alpha1.GitSync) (identity, error) {
	name := sync.Spec.ServiceAccountName
	if name == "" {
		return identity{}, nil
	}
	i := identity{
		account: types.NamespacedName{Namespace: sync.Namespace, Name: name},
		sync:    types.NamespacedName{Namespace: sync.Namespace, Name: sync.Name},
	}
	switch exists, err := c.exists(ctx, i.account); {
	case err != nil:
		return i, failing(v1alpha1.SyncForbidden, err)
	case !exists:
		return i, failing(v1alpha1.SyncReferenceMissing, fmt.Errorf("spec.serviceAccountName: ServiceAccount %s: there is none", i.account))
	}
	return i, nil
}

// exists says whether a service account is there.
func (c *clusters) exists(ctx context.Context, account types.NamespacedName) (bool, error) {
	_, err := c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("serviceaccounts")).
		Namespace(account.Namespace).Get(ctx, account.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("getting ServiceAccount %s: %w", account, err)
	}
	return true, nil
}

// of is the API server under an identity.
func (c *clusters) of(i identity) (*live.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cluster := c.all[i]; cluster != nil {
		return cluster, nil
	}
	config := rest.CopyConfig(c.config)
	if i.account.Name != "" {
		// The API server adds the groups of a service account by itself, so that the
		// applier needs no right to impersonate groups.
		config.Impersonate = rest.ImpersonationConfig{
			UserName: i.String(),
			Extra:    map[string][]string{v1alpha1.ExtraSync: {i.sync.String()}},
		}
	}
	cluster, err := live.New(config)
	if err != nil {
		return nil, fmt.Errorf("reaching the API server as %s: %w", i, err)
	}
	cluster.People = c.takeover
	c.all[i] = cluster
	return cluster, nil
}

// forget drops the identities of a sync that is gone.
func (c *clusters) forget(sync types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.all, func(i identity, _ *live.Cluster) bool { return i.sync == sync && i.account.Name != "" })
}
