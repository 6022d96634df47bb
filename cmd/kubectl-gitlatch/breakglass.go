package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// fieldManager is the name under which the plugin writes.
const fieldManager = "kubectl-gitlatch"

// breakGlass annotates a target, or takes the annotation away.
type breakGlass struct {
	genericiooptions.IOStreams
	server   *server
	reason   string
	duration string
	end      bool
	dryRun   string
	now      func() time.Time
}

func newBreakGlass(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	b := &breakGlass{IOStreams: streams, server: server, now: now}
	cmd := &cobra.Command{
		Use:   "break-glass (TYPE/NAME | TYPE NAME) --reason REASON",
		Short: "Open an emergency exception for yourself, on the record; or end it",
		Long: `Open an emergency exception for yourself on one object, or on everything in a
namespace (namespace/NAME). Until it ends you may change, scale, exec into and
delete the target with kubectl; each write is recorded, and somebody else
reviews it. Who may, for how long and with what reason, is said by the
ChangePolicy; the gate's refusal is printed as it is.

The command annotates the target and waits for nothing.
` + exitCodes,
		Example: `  # one object, for half an hour
  kubectl gitlatch break-glass deployment/web -n prod --reason "INC-42: db failover" --for 30m

  # everything in a namespace
  kubectl gitlatch break-glass namespace/prod --reason "INC-42: db failover"

  # end it
  kubectl gitlatch break-glass deployment/web -n prod --end`,
		Args: cobra.RangeArgs(1, 2),
		RunE: act(func(cmd *cobra.Command, args []string) error {
			if err := b.check(cmd.Flags().Changed("for")); err != nil {
				return err
			}
			return b.run(cmd.Context(), args)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&b.reason, "reason", "", `why, in the form that the policy asks for, such as "INC-42: db failover"`)
	f.StringVar(&b.duration, "for", "", "for how long, such as 30m; left out: the policy's maximum")
	f.BoolVar(&b.end, "end", false, "end the exception: remove the annotation")
	f.StringVar(&b.dryRun, "dry-run", "none", "none, or server: ask the API server and change nothing")
	completeWith(cmd, "dry-run", "none", "server")
	return cmd
}

// check refuses what the gate could only refuse later.
func (b *breakGlass) check(hasDuration bool) error {
	b.reason = strings.TrimSpace(b.reason)
	switch {
	case b.dryRun != "none" && b.dryRun != "server":
		return badInput(fmt.Errorf("--dry-run %q: use none or server", b.dryRun))
	case b.end && (b.reason != "" || hasDuration):
		return badInput(errors.New("--end takes neither --reason nor --for"))
	case b.end:
		return nil
	case b.reason == "":
		return badInput(errors.New(`an emergency needs a reason: pass --reason "INC-42: what is wrong"`))
	case hasDuration:
		if d, err := time.ParseDuration(b.duration); err != nil || d <= 0 {
			return badInput(fmt.Errorf("--for %q: use a duration such as 30m", b.duration))
		}
	}
	return nil
}

func (b *breakGlass) run(ctx context.Context, args []string) error {
	info, err := b.find(args)
	if err != nil {
		return err
	}
	before, err := meta.Accessor(info.Object)
	if err != nil {
		return fmt.Errorf("reading %s: %w", info.ObjectName(), err)
	}
	if _, open := before.GetAnnotations()[v1alpha1.AnnotationBreakGlass]; b.end && !open {
		fmt.Fprintf(b.Out, "%s: nothing to end, it carries no %s\n", named(info), v1alpha1.AnnotationBreakGlass)
		return nil
	}
	after, err := b.patch(info)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.report(ctx, info, after)
}

// find resolves the target the way kubectl does.
func (b *breakGlass) find(args []string) (*resource.Info, error) {
	if _, err := b.server.config(); err != nil {
		return nil, err
	}
	if len(args) == 1 && !strings.Contains(args[0], "/") {
		return nil, badInput(fmt.Errorf("%q names no object: use TYPE/NAME, such as deployment/web", args[0]))
	}
	if len(args) == 2 && (strings.Contains(args[0], "/") || strings.Contains(args[1], "/")) {
		return nil, badInput(errors.New("name one target: TYPE/NAME or TYPE NAME"))
	}
	if strings.Contains(strings.Join(args, ""), ",") {
		return nil, badInput(errors.New("name one target: an emergency is one object or one namespace"))
	}
	namespace, _, err := b.server.namespace()
	if err != nil {
		return nil, err
	}
	infos, err := resource.NewBuilder(b.server.flags).
		Unstructured().
		NamespaceParam(namespace).DefaultNamespace().
		ResourceTypeOrNameArgs(false, args...).
		Flatten().
		Do().
		Infos()
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, badInput(fmt.Errorf("%q names %d objects: name one", strings.Join(args, " "), len(infos)))
	}
	return infos[0], nil
}

// patch sets or removes the two annotations that are a person's to set, and
// returns the object as the API server answered it. Removing a duration that an
// earlier emergency left keeps it from shortening this one.
func (b *breakGlass) patch(info *resource.Info) (*unstructured.Unstructured, error) {
	annotations := map[string]any{
		v1alpha1.AnnotationBreakGlass:    b.reason,
		v1alpha1.AnnotationBreakGlassFor: b.duration,
	}
	for name, value := range annotations {
		if value == "" {
			annotations[name] = nil
		}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return nil, fmt.Errorf("encoding the annotations: %w", err)
	}
	helper := resource.NewHelper(info.Client, info.Mapping).
		WithFieldManager(fieldManager).
		DryRun(b.dryRun == "server")
	object, err := helper.Patch(info.Namespace, info.Name, types.MergePatchType, body, nil)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("annotating %s: it was deleted meanwhile", named(info))
	}
	if err != nil {
		return nil, err
	}
	after, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("annotating %s: the API server answered with a %T", named(info), object)
	}
	return after, nil
}

// named names the target as records and denials do.
func named(info *resource.Info) string {
	kind := info.Mapping.GroupVersionKind
	return describe(kind.Group, kind.Kind, info.Namespace, info.Name)
}
