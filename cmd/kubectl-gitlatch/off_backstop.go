package main

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// refresh is how long an API server may go on with admission policies that are gone: it
// looks once a second whether they changed.
// Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_source.go.
const refresh = 2 * time.Second

// lift deletes the binding of the backstop, which would go on refusing what no webhook is
// asked about, and waits until that is heard. One that is not there is no error.
func (s *server) lift(ctx context.Context) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return badInput(fmt.Errorf("preparing a client: %w", err))
	}
	err = clients.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Delete(ctx, registered, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("the webhooks are off, and the backstop is not: %w", err)
	}
	select { // a webhook that runs may have been quicker to delete it
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(refresh):
		return nil
	}
}
