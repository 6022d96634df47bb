package record

import (
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Place is the object that a record is about. A subresource counts for its parent.
// A Namespace stands in itself.
type Place struct{ Group, Resource, Namespace, Name string }

// PlaceOf is the place of a record; ok is false where its name is not known, or
// stands for many.
func PlaceOf(rec *v1alpha1.ChangeRecord) (p Place, ok bool) {
	r := &rec.Spec.Request
	p = Place{Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: TargetName(rec)}
	return p.normal(), p.Name != "" && !strings.HasSuffix(p.Name, "*")
}

func (p Place) normal() Place {
	if p.Group == "" && p.Resource == "namespaces" {
		p.Namespace = p.Name
	}
	return p
}
