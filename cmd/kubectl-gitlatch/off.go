package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// registered is the name of both webhook configurations.
const registered = "gitlatch"

func newOff(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "off --reason TEXT",
		Short: "Switch the gate off: nothing is refused or recorded until it is on again",
		Long: `Switch the gate off, in one write to each of its two webhook configurations: the
reason as the annotation ` + v1alpha1.AnnotationOff + `, and no webhooks. The binding of the
backstop, the ValidatingAdmissionPolicy behind them, is deleted, also where the
configurations are gone. It works with no pod of Gitlatch alive. Nothing is refused or
recorded from then on; the reporter says so aloud, and once the gate is on again it
reviews what was done meanwhile.

Admission is never asked about webhook configurations and policies: whoever RBAC lets
write them may do this.
` + exitCodes,
		Example: `  kubectl gitlatch off --reason "INC-42: it denies the node controller"`,
		Args:    cobra.NoArgs,
		RunE: act(func(cmd *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return badInput(errors.New("--reason: say why, such as \"INC-42: it denies the node controller\""))
			}
			said, err := server.off(cmd.Context(), reason)
			if err != nil {
				return fmt.Errorf("switching the gate off: %w", err)
			}
			_, err = fmt.Fprintln(streams.Out, said)
			return err
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is shown to everybody")
	return cmd
}

func newOn(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use:   "on",
		Short: "Switch the gate on again",
		Long: `Take the annotation ` + v1alpha1.AnnotationOff + ` off the two webhook configurations. The webhook
registers itself and its backstop again within seconds, if a pod of it is alive. One that is on
already is left so.
` + exitCodes,
		Example: `  kubectl gitlatch on && kubectl gitlatch status`,
		Args:    cobra.NoArgs,
		RunE: act(func(cmd *cobra.Command, _ []string) error {
			err := server.switched(cmd.Context(), map[string]any{
				"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AnnotationOff: nil}},
			})
			if err != nil {
				return fmt.Errorf("switching the gate on: %w", err)
			}
			_, err = fmt.Fprintln(streams.Out, "the gate may register itself again: kubectl gitlatch status tells once it has")
			return err
		}),
	}
}

// errUnregistered is the gate without its webhook configurations.
var errUnregistered = errors.New("the gate is not registered here: there is no webhook configuration " + registered)

// off switches off what there is. Where both configurations are gone the backstop may
// stand all the same, and deny; where one can't be written, what can be is off.
func (s *server) off(ctx context.Context, reason string) (said string, err error) {
	written, err := s.patched(ctx, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AnnotationOff: reason}}, "webhooks": []any{},
	})
	bare := errors.Is(err, errUnregistered)
	if written == 0 && !bare {
		return "", err // it stands as it was
	}
	lifted, backstop := s.lift(ctx)
	switch {
	case bare && backstop != nil:
		return "", backstop
	case bare && lifted:
		return "the backstop is off, and the webhook configurations were gone: nothing is refused or recorded until a pod of the webhook registers itself again", nil
	}
	return "the gate is off: nothing is refused or recorded until kubectl gitlatch on", oneDenial(err, backstop)
}

// switched writes to both configurations. One that is gone asks nobody anything, and
// is no error as long as the other is there: half a switch must not stay.
func (s *server) switched(ctx context.Context, change map[string]any) error {
	_, err := s.patched(ctx, change)
	return err
}

// patched is [server.switched], and counts the configurations that it wrote to.
func (s *server) patched(ctx context.Context, change map[string]any) (written int, err error) {
	config, err := s.config()
	if err != nil {
		return 0, err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	patch, err := json.Marshal(change)
	if err != nil {
		return 0, fmt.Errorf("encoding the patch: %w", err)
	}
	options := metav1.PatchOptions{FieldManager: fieldManager}
	webhooks := clients.AdmissionregistrationV1()
	_, mutating := webhooks.MutatingWebhookConfigurations().Patch(ctx, registered, types.MergePatchType, patch, options)
	_, validating := webhooks.ValidatingWebhookConfigurations().Patch(ctx, registered, types.MergePatchType, patch, options)
	for _, err := range []error{mutating, validating} {
		if err == nil {
			written++
		}
	}
	switch {
	case apierrors.IsNotFound(mutating) && apierrors.IsNotFound(validating):
		return 0, errUnregistered
	case apierrors.IsNotFound(mutating):
		mutating = nil
	case apierrors.IsNotFound(validating):
		validating = nil
	}
	return written, oneDenial(mutating, validating)
}
