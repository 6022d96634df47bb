package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// report says what the API server's answer means for the person.
func (b *breakGlass) report(ctx context.Context, info *resource.Info, after *unstructured.Unstructured) error {
	name := named(info)
	switch {
	case b.end && b.dryRun == "server":
		_, err := fmt.Fprintf(b.Out, "%s: the emergency could be ended (server dry run: nothing was changed)\n", name)
		return err
	case b.end:
		_, err := fmt.Fprintf(b.Out, "%s: the emergency is ended\n", name)
		return err
	case b.dryRun == "server":
		_, err := fmt.Fprintf(b.Out, "%s: nothing refuses the emergency (server dry run: nothing was changed, no window is open)\n", name)
		return err
	}
	marks := after.GetAnnotations()
	until, err := time.Parse(time.RFC3339, marks[v1alpha1.AnnotationBreakGlassUntil])
	record := marks[v1alpha1.AnnotationBreakGlassRecord]
	if err != nil || record == "" || !until.After(b.now()) {
		return b.unstamped(info)
	}
	return b.opened(ctx, info, marks, until, record)
}

// unstamped: the annotation is there, and no gate answered. To believe in a
// window that is not there would be found out in the middle of an emergency.
func (b *breakGlass) unstamped(info *resource.Info) error {
	fmt.Fprintf(b.Out, "%s: annotated with %s\n", named(info), v1alpha1.AnnotationBreakGlass)
	fmt.Fprintf(b.Out, "  end:     %s\n", endCommand(info))
	return errors.New("the gate did not stamp this object: no window is open" +
		" (is it governed by a ChangePolicy, and does the gate run?)")
}

func (b *breakGlass) opened(ctx context.Context, info *resource.Info, marks map[string]string, until time.Time, record string) error {
	found, err := b.window(ctx, record)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.Out, "%s: break-glass is open until %s (%s left)\n", named(info), stamp(until), left(until, b.now()))
	fmt.Fprintf(b.Out, "  for:     %s\n", line(marks[v1alpha1.AnnotationBreakGlassBy]))
	fmt.Fprintf(b.Out, "  reason:  %s\n", line(marks[v1alpha1.AnnotationBreakGlass]))
	fmt.Fprintf(b.Out, "  record:  %s\n", found)
	fmt.Fprintf(b.Out, "  next:    make the change with kubectl; then bring it into git, or undo it, before the end\n")
	fmt.Fprintf(b.Out, "  review:  kubectl gitlatch records show %s   (by somebody else)\n", line(record))
	_, err = fmt.Fprintf(b.Out, "  end:     %s\n", endCommand(info))
	return err
}

// window says what the record behind the stamp says; the record is the
// authority, and a stamp without one opens nothing. Who breaks glass may have no
// right to read records, which is no reason to fail.
func (b *breakGlass) window(ctx context.Context, name string) (string, error) {
	reader, err := b.server.records()
	if err != nil {
		return "", err
	}
	record, err := reader.get(ctx, name)
	switch {
	case apierrors.IsForbidden(err):
		return line(name) + " (not yours to read)", nil
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("the stamp names record %s, which does not exist: no window is open", line(name))
	case err != nil:
		return line(name) + " (reading it: " + line(err.Error()) + ")", nil
	case record.Spec.BreakGlass == nil:
		return line(name), nil
	}
	scope := "this object"
	if record.Spec.BreakGlass.Scope == v1alpha1.WindowNamespace {
		scope = "everything in the namespace"
	}
	return fmt.Sprintf("%s, %s, until %s", line(name), scope, stamp(record.Spec.BreakGlass.Until.Time)), nil
}

// endCommand is the command line that ends the emergency.
func endCommand(info *resource.Info) string {
	mapping := info.Mapping.Resource
	kind := mapping.Resource
	if mapping.Group != "" {
		kind += "." + mapping.Group
	}
	command := "kubectl gitlatch break-glass " + kind + "/" + info.Name
	if info.Namespaced() {
		command += " -n " + info.Namespace
	}
	return command + " --end"
}
