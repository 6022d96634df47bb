package audit

import (
	"cmp"
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

const (
	// mostFields is how many paths a finding tells.
	mostFields = 20
	// mostHeld is how many findings wait for a record that may be about to come.
	mostHeld = 1000
)

// target names the object for people.
func (e *entry) target() string { return nameOf(e.kind, e.object.Namespace, e.object.Name) }

func nameOf(k *kind, namespace, name string) string {
	out := k.kind + " "
	if k.Group != "" {
		out = k.Group + "/" + out
	}
	if namespace != "" {
		out += namespace + "/"
	}
	return out + name
}

// findingAbout is a finding about an object, with what is the same in all of them.
func findingAbout(k *kind, namespace, name string) Finding {
	f := Finding{
		Evidence: v1alpha1.EvidenceManagedFields, Confidence: v1alpha1.ConfidenceIndicated,
		Request: v1alpha1.RecordedRequest{
			Operation: string(policy.Update), Group: k.Group, Version: k.Version, Resource: k.Resource, Kind: k.kind,
			Namespace: namespace, Name: name,
		},
	}
	if k.isNamespaces() { // as an admission review has it
		f.Request.Namespace = name
	}
	return f
}

func targetOf(o *metav1.PartialObjectMetadata) *v1alpha1.Target {
	return &v1alpha1.Target{UID: o.UID, ResourceVersion: o.ResourceVersion, Generation: o.Generation}
}

// finding is what an entry gives. why goes on behind the manager's name.
func (s *survey) finding(e *entry, d policy.Decision, why string) Finding {
	f := findingAbout(e.kind, e.object.Namespace, e.object.Name)
	f.Reason, f.Policy, f.Target, f.At = d.Reason, d.Policy, targetOf(e.object), e.at.UTC()
	if e.at.IsZero() {
		f.At = e.at
	}
	f.Request.Subresource, f.Request.FieldManager = e.Subresource, e.Manager
	if e.created() && !s.isDeclared(e) {
		f.Request.Operation = string(policy.Create)
	}
	f.Declared = len(d.Touched) > 0 || s.isDeclared(e)
	f.Fields = policy.FieldPaths(e.fields)
	if n := len(f.Fields); n > mostFields {
		f.Fields, f.More = f.Fields[:mostFields], n-mostFields
	}
	f.Message = fmt.Sprintf("field manager %s wrote %s, by %s; it %s", e.Manager, e.target(), e.Operation, why)
	f.Next = cmp.Or(d.Next, "commit it to git, or take it back") + "; the API server's audit log tells who it was"
	return f
}

// report tells of a finding, or holds it where its record may not have been there yet
// when records were read.
func (s *survey) report(f Finding) {
	if s.explain(&f); !f.Explained() && (f.At.IsZero() || f.At.After(s.began.Add(-fresh))) && len(s.held) < mostHeld {
		s.held = append(s.held, f)
		return
	}
	s.pass(f)
}

func (s *survey) pass(f Finding) {
	if s.failed != nil {
		return
	}
	if f.Explained() {
		s.stats.Explained++
	} else {
		s.stats.Findings++
	}
	if err := s.found(f); err != nil {
		s.failed = fmt.Errorf("telling of a finding: %w", err)
	}
}

// settleHeld reads the records that came meanwhile and tells of what was held.
func (s *survey) settleHeld(ctx context.Context) error {
	if len(s.held) == 0 {
		return nil
	}
	if err := s.readRecords(ctx); err != nil {
		return err
	}
	for _, f := range s.held {
		s.explain(&f)
		s.pass(f)
	}
	s.held = nil
	return s.failed
}
