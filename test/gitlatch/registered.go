package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// WaitRegistered waits until both webhook configurations are there and the API server asks the gate. The second doesn't
// follow from the first: under failurePolicy Ignore, an API server that can't reach the gate says nothing.
func (g *Gitlatch) WaitRegistered(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(g.cluster.Config("admin"))
	if err != nil {
		return err
	}
	admission := client.AdmissionregistrationV1()
	err = WaitFor(ctx, startTimeout, "the webhook configurations", func(ctx context.Context) error {
		mutating, err := admission.MutatingWebhookConfigurations().Get(ctx, registration, metav1.GetOptions{})
		if err != nil {
			return err
		}
		validating, err := admission.ValidatingWebhookConfigurations().Get(ctx, registration, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(mutating.Webhooks) == 0 || len(validating.Webhooks) == 0 {
			return errors.New("a configuration has no webhooks")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return g.WaitAnswering(ctx)
}

// WaitAnswering waits until the gate denies what it denies whatever the policies: a ChangeRecord written by hand. It is
// a dry run.
func (g *Gitlatch) WaitAnswering(ctx context.Context) error {
	client, err := dynamic.NewForConfig(g.cluster.Config("admin"))
	if err != nil {
		return err
	}
	records := client.Resource(v1alpha1.GroupVersion.WithResource("changerecords"))
	forged := &unstructured.Unstructured{}
	forged.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecord"))
	forged.SetName("is-anybody-there")
	return WaitFor(ctx, 30*time.Second, "the gate to answer the API server", func(ctx context.Context) error {
		_, err := records.Create(ctx, forged, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			return errors.New("a record written by hand was admitted")
		}
		if !strings.Contains(err.Error(), v1alpha1.GateName+`" denied the request`) {
			return fmt.Errorf("a record written by hand was refused by somebody else: %w", err)
		}
		return nil
	})
}
