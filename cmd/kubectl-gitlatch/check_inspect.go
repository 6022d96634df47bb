package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// Severity of a finding.
const (
	severityError   = "Error"
	severityWarning = "Warning"
	severityDiffers = "Difference" // not wrong, but not as it is in the cluster
)

// Reasons of findings, besides those of [desired.Error].
const (
	reasonSchema   = "SchemaInvalid"
	reasonUnknown  = "KindUnknown"
	reasonRemoved  = "VersionRemoved"
	reasonMetadata = "MetadataInvalid"
	reasonClaimed  = "ObjectClaimedTwice"
	reasonRefused  = "Refused"
	reasonDiffers  = "Differs"
)

// finding is one thing that is wrong, without any value of a Secret.
type finding struct {
	Severity string `json:"severity"`
	File     string `json:"file,omitempty"`
	Object   string `json:"object,omitempty"`
	Key      string `json:"key,omitempty"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
}

// inspection is what is known of the folders.
type inspection struct {
	folders     []inspected
	objects     int
	findings    []finding
	differences []difference
}

// inspected is a folder that could be rendered.
type inspected struct {
	folder
	objects []desired.Object
}

func (i *inspection) wrong() bool {
	for _, f := range i.findings {
		if f.Severity == severityError {
			return true
		}
	}
	return len(i.differences) > 0
}

// inspect renders the folders and judges what they declare. The error says why that could
// not be done; what is wrong with the folders is in the inspection.
func (c *check) inspect(ctx context.Context, tree *workTree, folders []folder) (*inspection, error) {
	i := &inspection{}
	known, err := newSchemas(c.render.kubeVersion, c.strict)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		set, err := desired.Render(ctx, tree, f.options)
		if err := i.broken(err); err != nil {
			return nil, fmt.Errorf("rendering %s: %w", f.name, err)
		}
		if set != nil {
			i.folders = append(i.folders, inspected{folder: f, objects: set.Objects})
			i.objects += len(set.Objects)
			i.findings = append(i.findings, known.define(set.Objects)...)
		}
	}
	for _, path := range c.crds {
		_, below, err := workingCopy(path, tree.root.Name())
		if err != nil {
			return nil, err
		}
		set, err := desired.Render(ctx, tree, desired.Options{Path: below, Encrypted: true})
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", path, err)
		}
		i.findings = append(i.findings, known.define(set.Objects)...)
	}
	for _, f := range i.folders {
		for n := range f.objects {
			i.findings = append(i.findings, known.judge(ctx, &f.objects[n], f.options.Encrypted)...)
		}
	}
	i.findings = append(i.findings, claims(i.folders, known)...)
	return i, nil
}

// broken takes apart what is wrong with a folder; what is none of that is returned.
func (i *inspection) broken(err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var others []error
		for _, one := range joined.Unwrap() {
			others = append(others, i.broken(one))
		}
		return errors.Join(others...)
	}
	wrong := (*desired.Error)(nil)
	if !errors.As(err, &wrong) {
		if len(i.findings) > 0 { // "and 7 more"
			i.findings = append(i.findings, finding{Severity: severityError, Reason: i.findings[len(i.findings)-1].Reason, Message: err.Error()})
			return nil
		}
		return err
	}
	i.findings = append(i.findings, finding{
		Severity: severityError, File: wrong.File, Object: wrong.Object, Key: wrong.Key,
		Reason: string(wrong.Reason), Message: wrong.Err.Error(),
	})
	return nil
}

// claims finds objects that are declared twice once a namespace is filled in, and by two
// of the folders.
func claims(folders []inspected, known *schemas) []finding {
	type claim struct {
		folder int
		by     string
		source string
	}
	claimed := map[live.Key]claim{}
	var found []finding
	for n, f := range folders {
		for i := range f.objects {
			o := &f.objects[i]
			key := keyOf(o)
			if key.Namespace == "" && known.namespaced(o.GroupVersionKind()) {
				key.Namespace = f.prepare.Namespace
			}
			first, twice := claimed[key]
			if !twice {
				claimed[key] = claim{folder: n, by: f.name, source: o.Source}
				continue
			}
			wrong := finding{Severity: severityError, File: o.Source, Object: key.String(), Reason: reasonClaimed,
				Message: fmt.Sprintf("%s and %s both declare it (%s): one object has one owner", first.by, f.name, first.source)}
			if first.folder == n {
				wrong.Reason, wrong.Message = string(desired.ReasonDuplicate), "with its default namespace it is declared in "+first.source+" too"
			}
			found = append(found, wrong)
		}
	}
	return found
}

func keyOf(o *desired.Object) live.Key {
	gvk := o.GroupVersionKind()
	return live.Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}
