package main

import (
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// removalPlace is where Gitlatch is removed from, for whoever has more than one cluster.
type removalPlace struct {
	Context   string `json:"context,omitempty"`
	Server    string `json:"server"`
	Namespace string `json:"namespace"`
}

func (p removalPlace) String() string {
	if p.Context == "" {
		return fmt.Sprintf("%s, namespace %s", line(p.Server), p.Namespace)
	}
	return fmt.Sprintf("context %s (%s), namespace %s", line(p.Context), line(p.Server), p.Namespace)
}

func (s *server) removalPlace(config *rest.Config) (removalPlace, error) {
	raw, err := s.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return removalPlace{}, badInput(fmt.Errorf("reading the kubeconfig: %w", err))
	}
	p := removalPlace{Context: raw.CurrentContext, Server: config.Host, Namespace: s.syncsIn()}
	if named := *s.flags.Context; named != "" {
		p.Context = named
	}
	return p, nil
}

// elsewhere: our bindings give rights to processes of another namespace. With this one
// nobody would stop them, and their records would go with the CRD.
func (c *removalCluster) elsewhere(ctx context.Context) error {
	options := metav1.ListOptions{LabelSelector: partOf}
	cluster, err := c.typed.RbacV1().ClusterRoleBindings().List(ctx, options)
	if err != nil {
		return fmt.Errorf("listing clusterrolebindings: %w", err)
	}
	for _, b := range cluster.Items {
		if err := c.runsIn("clusterrolebinding."+rbacGroup+"/"+b.Name, b.Name, b.Subjects); err != nil {
			return err
		}
	}
	inOne, err := c.typed.RbacV1().RoleBindings("").List(ctx, options)
	if err != nil {
		return fmt.Errorf("listing rolebindings: %w", err)
	}
	for _, b := range inOne.Items {
		if err := c.runsIn("rolebinding."+rbacGroup+"/"+b.Name+" -n "+b.Namespace, b.Name, b.Subjects); err != nil {
			return err
		}
	}
	return nil
}

func (c *removalCluster) runsIn(binding, name string, subjects []rbacv1.Subject) error {
	accounts := []string{"gitlatch-webhook", "gitlatch-applier", "gitlatch-reporter"}
	for _, s := range subjects {
		if ourName(name) && s.Kind == rbacv1.ServiceAccountKind && s.Namespace != c.place.Namespace && slices.Contains(accounts, s.Name) {
			return badInput(fmt.Errorf("%s is for service account %s of namespace %s, and not of %s: say where Gitlatch runs, -n %s",
				binding, s.Name, s.Namespace, c.place.Namespace, s.Namespace))
		}
	}
	return nil
}
