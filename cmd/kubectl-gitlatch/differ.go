package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// What git would do to an object.
const (
	actionCreate = "Create"
	actionChange = "Change"
	actionPrune  = "Prune"
)

// difference is one object that is not in the cluster as git declares it, without any
// value of a Secret.
type difference struct {
	Action string `json:"action"`
	Object string `json:"object"`
	File   string `json:"file,omitempty"`
	// Owner is the sync that has the object, where that is another.
	Owner   string        `json:"owner,omitempty"`
	Changes []valueChange `json:"changes"`

	before, after map[string]any // masked; nil: not there
}

// valueChange is one value that differs.
type valueChange struct {
	Path string `json:"path"`
	From any    `json:"from,omitempty"`
	To   any    `json:"to,omitempty"`
}

// differ compares objects with the cluster, as far as the rights of whoever runs it go.
type differ struct {
	cluster *live.Cluster
	// dryRun asks the API server what would become of an object, which needs the right to
	// change it. Left out: reading tells.
	dryRun bool
	// closed: no key is at hand, so that what is encrypted can't be compared.
	closed bool
	notes  func(format string, args ...any)
}

// atOnce is how many objects are asked for at a time.
const atOnce = 8

// compared is what came of one object.
type compared struct {
	difference *difference
	refused    error // by the API server, when it was asked to try
	unread     bool  // encrypted
	gated      bool  // the gate refuses dry runs
}

// compare returns what differs, and what the API server refuses, in the order of the
// objects. The error says why they could not be compared.
func (d *differ) compare(ctx context.Context, objects []live.Object) ([]difference, map[live.Key]error, error) {
	results := make([]compared, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range objects {
		group.Go(func() (err error) {
			results[i], err = d.one(ctx, &objects[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	var found []difference
	refused := map[live.Key]error{}
	unread, gated := 0, 0
	for i, r := range results {
		if r.refused != nil {
			refused[objects[i].Key] = r.refused
		}
		if r.difference != nil {
			found = append(found, *r.difference)
		}
		if r.unread {
			unread++
		}
		if r.gated {
			gated++
		}
	}
	if unread > 0 {
		d.notes("%d encrypted objects are not compared: pass --age-key-file or --pgp-key-file", unread)
	}
	if gated > 0 {
		d.notes("the gate refuses dry runs of %d objects by you: they are compared by reading alone", gated)
	}
	return found, refused, nil
}

func (d *differ) one(ctx context.Context, o *live.Object) (compared, error) {
	found, err := d.get(ctx, o.Ref)
	if err != nil {
		return compared{}, err
	}
	var result compared
	if d.closed {
		declared, err := o.Content()
		if err != nil {
			return result, err
		}
		if encrypted(declared) {
			if result.unread = found != nil; !result.unread {
				result.difference = differenceOf(nil, declared, o)
			}
			return result, nil
		}
	}
	after, err := d.after(ctx, o, found, &result)
	if err != nil || result.refused != nil {
		return result, err
	}
	var before map[string]any
	if found != nil {
		before = found.Object
	}
	result.difference = differenceOf(before, after, o)
	return result, nil
}

// get returns nil where the object, or its kind, is not there.
func (d *differ) get(ctx context.Context, ref live.Ref) (*unstructured.Unstructured, error) {
	found, err := d.cluster.Get(ctx, ref)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	return found, err
}

// after is the object as it would be.
func (d *differ) after(ctx context.Context, o *live.Object, found *unstructured.Unstructured, result *compared) (map[string]any, error) {
	if d.dryRun {
		// A folder that no sync names is compared with whatever sync has its objects.
		options := live.ApplyOptions{DryRun: true, Released: func(string) bool { return o.Sync == "" }}
		preview, err := d.cluster.Preview(ctx, o, options)
		if err != nil && apierrors.ReasonForError(err) != "" {
			// Why it is refused is told to an apply.
			if _, why := d.cluster.Apply(ctx, o, options); why != nil {
				err = why
			}
		}
		conflict := (*live.ConflictError)(nil)
		switch {
		case err == nil:
			return preview.Object, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case ofGate(err):
			result.gated = true
		case found == nil && (apierrors.IsNotFound(err) || meta.IsNoMatchError(err)):
			// Its kind or its namespace comes with the same commit.
		case errors.As(err, &conflict):
			// The owner is told with the difference.
		case apierrors.ReasonForError(err) == "":
			return nil, err // the API server could not be asked
		default:
			result.refused = err
			return nil, nil
		}
	}
	if found == nil {
		return o.Content()
	}
	return d.cluster.Expected(o, found)
}

// ofGate says whether an error is a refusal of Gitlatch's gate.
func ofGate(err error) bool {
	return apierrors.IsForbidden(err) && gateWord.MatchString(err.Error())
}

// pruned returns what a sync has applied and git no longer declares.
func (d *differ) pruned(ctx context.Context, sync *v1alpha1.GitSync, declared []live.Object) ([]difference, error) {
	if sync.Status.Inventory == nil || sync.Spec.Prune != nil && !*sync.Spec.Prune {
		return nil, nil
	}
	still := make(map[live.Key]bool, len(declared))
	for i := range declared {
		still[declared[i].Key] = true
	}
	mark := v1alpha1.SyncLabel(sync.Namespace, sync.Name)
	var gone []difference
	for _, entry := range sync.Status.Inventory.Entries {
		ref, err := live.ParseEntry(entry)
		if err != nil {
			return nil, fmt.Errorf("reading the inventory of GitSync %s/%s: %w", sync.Namespace, sync.Name, err)
		}
		if still[ref.Key] {
			continue
		}
		found, err := d.get(ctx, ref)
		if err != nil {
			return nil, err
		}
		if found == nil || found.GetLabels()[v1alpha1.LabelSync] != mark || found.GetAnnotations()[v1alpha1.AnnotationPrune] == "disabled" {
			continue
		}
		if one := differenceOf(found.Object, nil, &live.Object{Ref: ref, Sync: mark, Source: v1alpha1.SourceFile(found.GetAnnotations()[v1alpha1.AnnotationSource])}); one != nil {
			gone = append(gone, *one)
		}
	}
	return gone, nil
}
