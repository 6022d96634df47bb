package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Action is what became of an object that was applied.
type Action string

const (
	// Unchanged: the API server wrote nothing.
	Unchanged Action = "Unchanged"
	// Created: it was not there.
	Created Action = "Created"
	// Configured: it was there and is changed.
	Configured Action = "Configured"
	// Recreated: it was deleted and created anew.
	Recreated Action = "Recreated"
	// TookOver: it was there, and fields were taken from people.
	TookOver Action = "TookOver"
)

// ApplyOptions say how an object is applied.
type ApplyOptions struct {
	// Force deletes and creates it anew where a field can't be changed, and only when
	// the new one is proven creatable.
	Force bool
	// Commit is the value of [v1alpha1.AnnotationCommit]. Left out: what is there stays.
	Commit string
	// DryRun writes nothing; fields of people are not taken.
	DryRun bool
	// Known is the object's state as it was seen last, the zero State for one that is
	// not there, from a watch, [Cluster.Snapshot] or an earlier result. It is what tells
	// before the write that another sync owns the object; what another sync creates in
	// between is taken from it, which its own watch then shows. Left out: one more call
	// finds out.
	Known *State
	// Firm says that Known holds, or nothing is written: neither an object that was
	// written since, nor one that is gone or made anew. [Moved] holds for the error then,
	// and the caller looks again. What others lose was told by the caller. It needs Known.
	Firm bool
	// Released says that the sync with this mark has given the object up, so that ours
	// may have it. Left out: no sync has.
	Released func(mark string) bool
	// TookOver is called before fields of people, or of an object that was not ours, are
	// changed or taken, to record it first; an error stops that. Left out: nothing is
	// taken from people.
	TookOver func(context.Context, Takeover) error

	told *[]Takeover // in an earlier try
}

// Result is what came of applying an object.
type Result struct {
	State  State
	Action Action
	// Claim is what we own of it.
	Claim Claim
	// Taken lists what was taken from people.
	Taken []Takeover
}

// maxTries of a write that others' writes get in the way of.
const maxTries = 5

// Apply makes the object as it is declared, by server-side apply under our name, with
// force: one call where [ApplyOptions.Known] is given. An object with ignore rules costs
// one more, which asks who owns what is left to others. Unknown fields are an error.
//
// The error is a [ConflictError], an [ImmutableError], or wraps the API server's.
func (c *Cluster) Apply(ctx context.Context, o *Object, a ApplyOptions) (Result, error) {
	a.told = &[]Takeover{}
	for try := 1; ; try++ {
		result, err := c.applyOnce(ctx, o, a)
		if !Moved(err) || a.Firm || try == maxTries || ctx.Err() != nil {
			return result, err
		}
		a.Known = nil // it is not what it was: look again
	}
}

// Moved says that the object is not the one that we knew: it was changed, deleted, or
// made anew, which the API server calls a change of its uid.
func Moved(err error) bool {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return true
	}
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}

func (c *Cluster) applyOnce(ctx context.Context, o *Object, a ApplyOptions) (Result, error) {
	w, err := c.plan(ctx, o, a)
	if err != nil {
		return Result{}, err
	}
	if a.TookOver != nil && !a.DryRun && !a.Firm && w.known.others(o) {
		if err := c.tell(ctx, o, a, &w); err != nil {
			return Result{}, err
		}
	}
	answer, created, err := c.send(ctx, o, w)
	if err != nil {
		if fixed := immutable(o.Key, err); fixed != nil && w.known.UID != "" && !Moved(err) {
			return c.recreate(ctx, o, a, fixed)
		}
		return Result{}, err
	}
	result := Result{State: c.state(answer), Action: Configured, Claim: ClaimOn(o, answer)}
	switch {
	case created:
		result.Action = Created
	case w.known.sameAs(&result.State):
		result.Action = Unchanged
	}
	if created || a.DryRun || a.TookOver == nil {
		return result, nil
	}
	return c.takeOver(ctx, o, a, w, answer, result)
}

// sameAs: nothing that we could have written lies between the two.
func (s *State) sameAs(after *State) bool {
	return s.UID == after.UID && (s.ResourceVersion == after.ResourceVersion || s.Hold == after.Hold && s.Generation == after.Generation)
}

// write is one server-side apply, decided.
type write struct {
	known   State
	payload []byte
	commit  string
	on      conditions
	dry     bool
	whole   *unstructured.Unstructured // as it was found, where it was read
	told    []Takeover                 // what others lose
	sure    bool                       // it still is what others lose
	probe   string                     // another name, for a dry run that shows whether it could be created
}

// plan decides what is sent.
func (c *Cluster) plan(ctx context.Context, o *Object, a ApplyOptions) (write, error) {
	w := write{payload: o.Payload, commit: a.Commit, dry: a.DryRun}
	var err error
	switch {
	case len(o.ignored) > 0:
		whole, err := c.Get(ctx, o.Ref)
		if err != nil && !apierrors.IsNotFound(err) {
			return w, err
		}
		if err == nil {
			w.known, w.whole = c.state(whole), whole
		}
	case a.Known != nil:
		w.known = *a.Known
	default:
		if w.known, err = c.Look(ctx, o.Ref); err != nil {
			return w, err
		}
	}
	if err := a.owner(o, &w.known); err != nil {
		return w, err
	}
	w.on.uid = w.known.UID
	if a.Firm {
		w.on = conditions{uid: a.Known.UID, resourceVersion: a.Known.ResourceVersion}
		w.sure = a.Known.Held > 0 || a.Known.Manager != ""
	}
	if w.commit == "" {
		w.commit = w.known.Commit
	}
	if w.whole == nil {
		return w, nil
	}
	content, guard, err := o.left(w.whole.Object, w.whole.GetManagedFields())
	if err != nil {
		return w, err
	}
	if guard {
		w.on.resourceVersion = w.known.ResourceVersion
	}
	if w.payload, err = encode(content); err != nil {
		return w, fmt.Errorf("writing %s (%s): %w", o.Key, o.Source, err)
	}
	return w, nil
}

// owner: the object is ours to apply.
func (a *ApplyOptions) owner(o *Object, s *State) error {
	if s.Sync != "" && s.Sync != o.Sync && (a.Released == nil || !a.Released(s.Sync)) {
		return &ConflictError{Key: o.Key, Sync: s.Sync}
	}
	return nil
}

// send applies once, and returns the object's metadata.
func (c *Cluster) send(ctx context.Context, o *Object, w write) (answer *metav1.PartialObjectMetadata, created bool, err error) {
	request, err := c.request(o, w)
	if err != nil {
		return nil, false, err
	}
	const shape = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	result := request.SetHeader("Accept", "application/vnd.kubernetes.protobuf;"+shape+",application/json;"+shape).Do(ctx)
	code := 0
	result.StatusCode(&code)
	found, err := result.Get()
	if err != nil {
		return nil, false, o.refused(err)
	}
	answer, ok := found.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil, false, fmt.Errorf("applying %s (%s): the API server answered with %T, not with metadata", o.Key, o.Source, found)
	}
	return answer, code == http.StatusCreated, nil
}

func (c *Cluster) request(o *Object, w write) (*rest.Request, error) {
	m, err := c.mapping(o.GVK())
	if err != nil {
		return nil, fmt.Errorf("applying %s (%s): %w", o.Key, o.Source, err)
	}
	name := o.Name
	if w.probe != "" {
		name = w.probe
	}
	request := c.rest.Patch(types.ApplyPatchType).AbsPath(path(m, o.Namespace, name)...).
		Param("fieldManager", v1alpha1.FieldManager).Param("force", "true").
		Param("fieldValidation", metav1.FieldValidationStrict).
		Body(body(w.payload, w.commit, w.on))
	if w.dry {
		request = request.Param("dryRun", metav1.DryRunAll)
	}
	return request, nil
}

func (o *Object) refused(err error) error {
	if o.Secret {
		err = quiet(err)
	}
	return fmt.Errorf("applying %s (%s): %w", o.Key, o.Source, err)
}

// Preview returns the whole object as it would be after [Cluster.Apply], by a dry run:
// to be compared with the live one. Fields of people stay in it.
func (c *Cluster) Preview(ctx context.Context, o *Object, a ApplyOptions) (*unstructured.Unstructured, error) {
	a.DryRun = true
	w, err := c.plan(ctx, o, a)
	if err != nil {
		return nil, err
	}
	request, err := c.request(o, w)
	if err != nil {
		return nil, err
	}
	raw, err := request.SetHeader("Accept", "application/json").Do(ctx).Raw()
	if err != nil {
		return nil, o.refused(err)
	}
	preview := &unstructured.Unstructured{}
	if err := preview.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("reading what %s would be: %w", o.Key, err)
	}
	return preview, nil
}
