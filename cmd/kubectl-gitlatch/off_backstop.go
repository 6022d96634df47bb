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
// asked about, and waits until that is heard. One that is not there is no error; there
// says whether it was.
func (s *server) lift(ctx context.Context) (there bool, err error) {
	config, err := s.config()
	if err != nil {
		return false, err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return false, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	err = clients.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Delete(ctx, registered, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("the backstop is not off: %w", err)
	}
	there = err == nil
	select { // a webhook that runs may have been quicker to delete it
	case <-ctx.Done():
		return there, ctx.Err()
	case <-time.After(refresh):
		return there, nil
	}
}
