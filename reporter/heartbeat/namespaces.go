package heartbeat

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

/*
Two ways there are in which a label hides a namespace:

	skipped   the live selector of a webhook leaves it out, and the one that was
	          compiled does not: a platform's addition, which the comparison takes as
	          it is, does that to namespaces with a label of its own
	left      a policy's namespaceSelector matched it, and matches it no more. Git may
	          do that, and so may anybody whom the gate let do it on the record. When
	          the gate was not asked, nobody was asked.
*/

// governed are the namespaces that a policy's selector matched when last seen.
type governed struct {
	// Selector tells whether it is still the same policy.
	Selector string `json:"selector"`
	// At is when.
	At time.Time `json:"at"`
	// Namespaces by name, with their uid: one that is made anew is another.
	Namespaces map[string]string `json:"namespaces"`
	// Hidden are those among them that are matched no more, with when they last were.
	Hidden map[string]time.Time `json:"hidden,omitempty"`
}

// since is when a namespace was last matched.
func (g *governed) since(namespace string) time.Time {
	if at, hidden := g.Hidden[namespace]; hidden {
		return at
	}
	return g.At
}

// excuse says whether git, or a write that the gate knows of, took a namespace out of a
// policy since a time.
type excuse func(p *policy.Policy, ns *metav1.PartialObjectMetadata, since time.Time) (bool, error)

// sights remembers, by policy, what was governed.
type sights map[string]governed

// selecting are the policies with a selector, by name.
func selecting(policies []*policy.Policy) map[string]*policy.Policy {
	out := map[string]*policy.Policy{}
	for _, p := range policies {
		if p.Spec.Match.NamespaceSelector != nil {
			out[p.Name] = p
		}
	}
	return out
}

// needsNamespaces: without a selector nothing can be hidden, and no list is read.
func needsNamespaces(l live, e *Expected) bool {
	return len(selecting(e.Policies)) > 0 || len(l.widened(e)) > 0
}

// widened are the entries whose live selector is not the compiled one, by name.
func (l live) widened(e *Expected) map[string][2]*metav1.LabelSelector {
	if l.gate == nil || e.Gate == nil {
		return nil
	}
	out := map[string][2]*metav1.LabelSelector{}
	for i := range l.gate.Webhooks {
		have := &l.gate.Webhooks[i]
		at := slices.IndexFunc(e.Gate.Webhooks, func(w admissionv1.MutatingWebhook) bool { return w.Name == have.Name })
		if at < 0 {
			continue
		}
		want := &e.Gate.Webhooks[at]
		if have.NamespaceSelector.String() != want.NamespaceSelector.String() {
			out[have.Name] = [2]*metav1.LabelSelector{have.NamespaceSelector, want.NamespaceSelector}
		}
	}
	return out
}

// listNamespaces reads names, labels and field managers.
func listNamespaces(ctx context.Context, reader client.Reader) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := reader.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	return list.Items, nil
}

// skipped are the namespaces that the live selectors leave out and the compiled ones don't.
func (l live) skipped(e *Expected, namespaces []metav1.PartialObjectMetadata) []Fault {
	var out []Fault
	widened := l.widened(e)
	for _, name := range slices.Sorted(maps.Keys(widened)) {
		have, err := metav1.LabelSelectorAsSelector(widened[name][0])
		if err != nil {
			continue // the API server stored it; the comparison shows it
		}
		want, err := metav1.LabelSelectorAsSelector(widened[name][1])
		if err != nil {
			continue
		}
		for i := range namespaces {
			ns := &namespaces[i]
			if set := labels.Set(ns.Labels); want.Matches(set) && !have.Matches(set) {
				manager, _ := newest(ns)
				out = append(out, Fault{Cause: CauseNamespaceHidden, Namespace: ns.Name, Manager: manager,
					Detail: fmt.Sprintf("the live namespaceSelector of %s leaves out namespace %s by its labels", name, ns.Name)})
			}
		}
	}
	return out
}

// left are the namespaces that got out of a policy's selector. What is excused is
// forgotten; what is hidden is remembered until it comes back, or git writes it.
func (s sights) left(e *Expected, namespaces []metav1.PartialObjectMetadata, excused excuse, at time.Time) (sights, []Fault, error) {
	next := sights{}
	var out []Fault
	policies := selecting(e.Policies)
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		now, faults, err := s[name].left(policies[name], namespaces, excused, at)
		if err != nil {
			return s, nil, fmt.Errorf("looking for namespaces that left ChangePolicy %s: %w", name, err)
		}
		next[name], out = now, append(out, faults...)
	}
	return next, out, nil
}

// left is the same of one policy, as it is now.
func (g governed) left(p *policy.Policy, namespaces []metav1.PartialObjectMetadata, excused excuse, at time.Time) (governed, []Fault, error) {
	selector, err := metav1.LabelSelectorAsSelector(p.Spec.Match.NamespaceSelector)
	if err != nil {
		return g, nil, err
	}
	now := governed{Selector: selectorText(p), At: at, Namespaces: map[string]string{}}
	var out []Fault
	for i := range namespaces {
		ns := &namespaces[i]
		excluded := slices.Contains(p.Spec.Match.ExcludeNamespaces, ns.Name)
		if !excluded && selector.Matches(labels.Set(ns.Labels)) {
			now.Namespaces[ns.Name] = string(ns.UID)
			continue
		}
		if g.Selector != now.Selector || g.Namespaces[ns.Name] != string(ns.UID) {
			continue
		}
		since := g.since(ns.Name)
		fine, err := excused(p, ns, since)
		if err != nil {
			return g, nil, err
		}
		if fine {
			continue
		}
		if now.Hidden == nil {
			now.Hidden = map[string]time.Time{}
		}
		now.Namespaces[ns.Name], now.Hidden[ns.Name] = string(ns.UID), since
		out = append(out, leaving(p, ns, since))
	}
	return now, out, nil
}

func leaving(p *policy.Policy, ns *metav1.PartialObjectMetadata, since time.Time) Fault {
	manager, at := newest(ns)
	if at.Before(since.Truncate(time.Second)) {
		manager = "" // who takes a label away leaves nothing of themselves
	}
	return Fault{Cause: CauseNamespaceHidden, Namespace: ns.Name, Manager: manager,
		Detail: fmt.Sprintf("namespace %s left the namespaceSelector of ChangePolicy %s, and no sync and no record accounts for that%s",
			ns.Name, p.Name, writtenBy(manager, at))}
}

func selectorText(p *policy.Policy) string {
	raw, _ := json.Marshal(p.Spec.Match.NamespaceSelector) // strings alone: it can't fail
	return string(raw) + strings.Join(slices.Sorted(slices.Values(p.Spec.Match.ExcludeNamespaces)), ",")
}

// newest is who wrote the namespace last, its status apart.
func newest(ns *metav1.PartialObjectMetadata) (manager string, at time.Time) {
	for _, e := range ns.ManagedFields {
		if e.Subresource == "" && e.Time != nil && !e.Time.Time.Before(at) {
			manager, at = e.Manager, e.Time.Time
		}
	}
	return manager, at
}

// accounted asks managedFields, and the records.
func accounted(ctx context.Context, reader client.Reader) excuse {
	return func(p *policy.Policy, ns *metav1.PartialObjectMetadata, since time.Time) (bool, error) {
		since = since.Truncate(time.Second) // as the API server dates what is written
		for _, e := range ns.ManagedFields {
			if e.Time != nil && !e.Time.Time.Before(since) && syncs(p, e.Manager) {
				return true, nil
			}
		}
		for _, outcome := range []v1alpha1.Outcome{v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass} {
			found, err := record.List(ctx, reader, record.Filter{Outcome: outcome, Namespace: ns.Name, Kind: "Namespace", Since: since})
			if err != nil {
				return false, err
			}
			if slices.ContainsFunc(found, relabels) {
				return true, nil
			}
		}
		return false, nil
	}
}

func syncs(p *policy.Policy, manager string) bool {
	return slices.ContainsFunc(p.Spec.Sync, func(s v1alpha1.SyncIdentity) bool { return slices.Contains(s.FieldManagers, manager) })
}

// relabels: the record is of a change of labels, or does not show all that changed.
func relabels(rec v1alpha1.ChangeRecord) bool {
	return rec.Spec.ChangesOmitted > 0 || slices.ContainsFunc(rec.Spec.Changes, func(c v1alpha1.Change) bool {
		return strings.HasPrefix(c.Path, ".metadata.labels")
	})
}
