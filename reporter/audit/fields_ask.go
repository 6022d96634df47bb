package audit

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// someController is a pod-bound service account that no policy names.
func someController() policy.User {
	return presenting(&v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "-", Name: "-"}})
}

// presenting is a requester that is the subject, with the proof that it needs.
func presenting(s *v1alpha1.Subject) policy.User {
	if a := s.ServiceAccount; a != nil {
		return policy.User{
			Name: "system:serviceaccount:" + a.Namespace + ":" + a.Name, UID: "-",
			Extra: map[string][]string{
				policy.ExtraPodName: {"-"}, policy.ExtraPodUID: {"-"}, policy.ExtraCredentialID: {"-"},
			},
		}
	}
	u := policy.User{Name: s.User}
	if s.Group != "" {
		u.Groups = []string{s.Group}
	}
	return u
}

// ask puts the entry to the judge as the write of somebody: the object without the
// entry's fields becomes the object with them. Values that nobody knows are
// placeholders. What git declares is read from the sync's entries, which say what is
// still declared, and not what was.
func (s *survey) ask(e *entry, user policy.User) policy.Decision {
	if e.fields == nil {
		return policy.Decision{} // unknown means deny
	}
	req := s.request(e)
	req.User = user
	return policy.Decide(req, e.policies, s.facts(e))
}

func (s *survey) facts(e *entry) *policy.Facts {
	f := &policy.Facts{
		Now: e.at, Install: s.Install, NamespaceLabels: s.namespaces[e.object.Namespace],
		WindowsLive: true, BreakGlass: policy.Unauthorized,
	}
	if e.Subresource == "scale" {
		f.Parent = map[string]any{"metadata": map[string]any{"managedFields": s.syncEntries(e)}}
	}
	return f
}

func (s *survey) request(e *entry) *policy.Request {
	o, k := e.object, e.kind
	req := &policy.Request{
		Operation: policy.Update, Resource: k.GroupVersionResource, Kind: k.of(), Subresource: e.Subresource,
		Namespace: o.Namespace, Name: o.Name, FieldManager: "", Final: true,
	}
	if k.isNamespaces() {
		req.Namespace = o.Name
	}
	if e.Subresource == "scale" {
		req.Kind = schema.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"}
	}
	req.Old, req.Object = s.around(e)
	if e.created() && len(s.syncEntries(e)) == 0 {
		req.Operation, req.Old = policy.Create, nil
	}
	return req
}

func (k *kind) of() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.kind}
}

// created: the entry is as old as the object. Both are in seconds, and the first may
// be stamped a moment before the second.
func (e *entry) created() bool {
	age := e.at.Sub(e.object.CreationTimestamp.Time)
	return e.Subresource == "" && !e.at.IsZero() && age >= 0 && age <= time.Second
}

// around makes the object as it was before the write, and as it is, of its metadata
// and of what the entry shows.
func (s *survey) around(e *entry) (old, object map[string]any) {
	old, object = policy.ShownAsWritten(e.fields)
	if object == nil {
		old, object = map[string]any{}, map[string]any{}
	}
	wrote, _ := object["metadata"].(map[string]any)
	for _, side := range []map[string]any{old, object} {
		side["apiVersion"], side["kind"] = e.kind.GroupVersion().String(), e.kind.kind
		meta, _ := side["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
			side["metadata"] = meta
		}
		s.complete(e, meta)
	}
	was, is := old["metadata"].(map[string]any), object["metadata"].(map[string]any)
	for name, values := range map[string]map[string]string{"labels": e.object.Labels, "annotations": e.object.Annotations} {
		theirs, _ := wrote[name].(map[string]any)
		before, after := map[string]any{}, map[string]any{}
		for key, value := range values {
			after[key] = value
			if _, written := theirs[key]; !written {
				before[key] = value
			}
		}
		was[name], is[name] = before, after
	}
	return old, object
}

// complete fills in what no entry names.
func (s *survey) complete(e *entry, meta map[string]any) {
	o := e.object
	meta["name"], meta["uid"] = o.Name, string(o.UID)
	if o.Namespace != "" {
		meta["namespace"] = o.Namespace
	}
	if entries := s.syncEntries(e); len(entries) > 0 {
		meta["managedFields"] = entries
	}
}

// syncEntries are those of sync identities, as the judge reads them. They are taken to
// be in the version that the entry is in: most fields are called the same in all.
func (s *survey) syncEntries(e *entry) []any {
	var out []any
	for i := range e.object.ManagedFields {
		m := &e.object.ManagedFields[i]
		if e.alone || m == e.ManagedFieldsEntry || m.Subresource == "status" ||
			!slices.ContainsFunc(e.policies, func(p *policy.Policy) bool { return p.Sync(m.Manager) }) {
			continue
		}
		entry := map[string]any{"manager": m.Manager, "operation": string(m.Operation), "fieldsType": m.FieldsType}
		if fields := readFields(m.FieldsV1); fields != nil {
			entry["fieldsV1"] = fields
		}
		if m.Subresource != "" {
			entry["subresource"] = m.Subresource
		}
		out = append(out, entry)
	}
	return out
}

// isDeclared: git declares the object, still.
func (s *survey) isDeclared(e *entry) bool { return len(s.syncEntries(e)) > 0 }

// policyOf is the first policy that governs what was written; "" where a built-in rule
// does.
func (s *survey) policyOf(e *entry) string {
	req, facts := s.request(e), s.facts(e)
	for _, p := range e.policies {
		if p.Governs(req, facts) {
			return p.Name
		}
	}
	return ""
}
