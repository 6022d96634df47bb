package webhook

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// comparedTargets is how many targets of one window are read when it closes.
	comparedTargets = 50
	// recordPage is how many records are read at a time.
	recordPage = 200
)

// compare says whether what was changed in a window still differs from its state
// before it (nil: that can't be told), and the same for people.
func (c *Closing) compare(ctx context.Context, opening *v1alpha1.ChangeRecord) (*bool, string, error) {
	writes, err := c.writesWithin(ctx, opening)
	if err != nil {
		return nil, "", err
	}
	histories := historiesOf(append([]v1alpha1.ChangeRecord{*opening}, writes...))
	s := closingSummary{window: opening.Name}
	for i := range histories {
		if i == comparedTargets {
			s.unread = len(histories) - i
			break
		}
		h := &histories[i]
		live, err := c.read(ctx, h.resource(), h.target)
		s.add(h, live, err)
	}
	differs, message := s.result()
	return differs, message, nil
}

// writesWithin lists the records of the writes that a window admitted.
func (c *Closing) writesWithin(ctx context.Context, opening *v1alpha1.ChangeRecord) ([]v1alpha1.ChangeRecord, error) {
	var out []v1alpha1.ChangeRecord
	var next string
	for {
		var page v1alpha1.ChangeRecordList
		err := c.Grants.Live.List(ctx, &page, client.MatchingLabels{
			v1alpha1.LabelOutcome: string(v1alpha1.OutcomeBreakGlass),
			v1alpha1.LabelUser:    record.UserHash(opening.Spec.Requester.Username),
		}, client.Limit(recordPage), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("listing the writes inside the window of record %s: %w", opening.Name, err)
		}
		for _, rec := range page.Items {
			if rec.Spec.BreakGlass != nil && rec.Spec.BreakGlass.Window == opening.Name {
				out = append(out, rec)
			}
		}
		if next = page.Continue; next == "" {
			return out, nil
		}
	}
}

// read reads a target's metadata; nil without an error: it is not there.
func (c *Closing) read(ctx context.Context, resource schema.GroupVersionResource, t windowTarget) (*metav1.PartialObjectMetadata, error) {
	var from metadata.ResourceInterface = c.Metadata.Resource(resource)
	if t.namespace != "" && resource.GroupResource() != namespaces.GroupResource() {
		from = c.Metadata.Resource(resource).Namespace(t.namespace)
	}
	live, err := from.Get(ctx, t.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, err
}

// history is what one window admitted on one target, oldest first.
type history struct {
	target  windowTarget
	records []v1alpha1.ChangeRecord
}

// historiesOf sorts records by target, leaving out what changes no object and what
// is known not to have been stored.
func historiesOf(records []v1alpha1.ChangeRecord) []history {
	slices.SortStableFunc(records, func(a, b v1alpha1.ChangeRecord) int {
		return cmp.Or(seenFirst(&a).Compare(seenFirst(&b)), cmp.Compare(a.Name, b.Name))
	})
	var out []history
	place := map[windowTarget]int{}
	for i := range records {
		rec := &records[i]
		t := recordTarget(rec)
		if rec.Status.Phase == v1alpha1.PhaseNotPersisted || generated(t.name) || leavesNothing(&rec.Spec.Request) {
			continue
		}
		at, known := place[t]
		if !known {
			at = len(out)
			place[t] = at
			out = append(out, history{target: t})
		}
		out[at].records = append(out[at].records, *rec)
	}
	return out
}

// leavesNothing says that the act leaves nothing on the object to compare.
func leavesNothing(r *v1alpha1.RecordedRequest) bool {
	if r.Operation == "CONNECT" {
		return true
	}
	switch r.Subresource {
	case "eviction", "token", "binding":
		return true
	}
	return false
}

func (h *history) resource() schema.GroupVersionResource {
	r := &h.records[0].Spec.Request
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}
}
