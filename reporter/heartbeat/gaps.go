package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// owner is the field manager of records.
const owner = client.FieldOwner(v1alpha1.FieldManager)

// ledger keeps gaps in the cluster.
type ledger struct {
	client client.Client
}

// write brings the record of a gap up to what is known of it. It may be called again:
// what is written is left.
func (b *ledger) write(ctx context.Context, g *gap) error {
	if !g.created {
		if err := b.create(ctx, g); err != nil {
			return fmt.Errorf("writing the record %s of a gap: %w", g.record.Name, err)
		}
		g.created = true
	}
	if g.end.IsZero() {
		return nil
	}
	if err := b.end(ctx, g.record, g.end); err != nil {
		return fmt.Errorf("ending the gap of record %s: %w", g.record.Name, err)
	}
	return nil
}

// create makes the record; one that is there already is this one.
func (b *ledger) create(ctx context.Context, g *gap) error {
	rec := g.record.DeepCopy()
	err := b.client.Create(ctx, rec, owner)
	if apierrors.IsAlreadyExists(err) {
		err = b.client.Get(ctx, client.ObjectKeyFromObject(g.record), rec)
	}
	if err != nil {
		return err
	}
	return b.status(ctx, rec, func(s *v1alpha1.ChangeRecordStatus) {
		if s.Phase == "" {
			s.Phase, s.Count = v1alpha1.PhaseObserved, 1
			s.FirstSeen, s.LastSeen = rec.Spec.Gap.Since, rec.Spec.Gap.Since
		}
	})
}

// end writes the end, then the label: a record that has the one and not the other is
// ended again by whoever comes next.
func (b *ledger) end(ctx context.Context, known *v1alpha1.ChangeRecord, at time.Time) error {
	rec := &v1alpha1.ChangeRecord{}
	if err := b.client.Get(ctx, client.ObjectKeyFromObject(known), rec); err != nil {
		return client.IgnoreNotFound(err)
	}
	err := b.status(ctx, rec, func(s *v1alpha1.ChangeRecordStatus) {
		if s.Gap == nil {
			s.Gap, s.LastSeen = &v1alpha1.GapEnd{At: metav1.NewMicroTime(at)}, metav1.NewMicroTime(at)
		}
	})
	if err != nil {
		return err
	}
	return b.label(ctx, rec, record.GapUnaudited)
}

// audited writes what the bypass review of an ended gap found.
func (b *ledger) audited(ctx context.Context, rec *v1alpha1.ChangeRecord, findings int, now time.Time) error {
	err := b.status(ctx, rec, func(s *v1alpha1.ChangeRecordStatus) {
		at := metav1.NewTime(now)
		s.Gap.Audited, s.Gap.Findings = &at, int32(findings)
	})
	if err != nil {
		return err
	}
	return b.label(ctx, rec, "")
}

// status sends what changes and nothing else: others write other parts of it.
func (b *ledger) status(ctx context.Context, rec *v1alpha1.ChangeRecord, change func(*v1alpha1.ChangeRecordStatus)) error {
	before := rec.DeepCopy()
	change(&rec.Status)
	patch := client.MergeFrom(before)
	if raw, err := patch.Data(rec); err != nil || string(raw) == "{}" {
		return err
	}
	return b.client.Status().Patch(ctx, rec, patch, owner)
}

func (b *ledger) label(ctx context.Context, rec *v1alpha1.ChangeRecord, value string) error {
	if rec.Labels[v1alpha1.LabelGap] == value {
		return nil
	}
	before := rec.DeepCopy()
	if value == "" {
		delete(rec.Labels, v1alpha1.LabelGap)
	} else {
		rec.Labels[v1alpha1.LabelGap] = value
	}
	return b.client.Patch(ctx, rec, client.MergeFrom(before), owner)
}

// list reads the records of gaps that have a label's value, oldest first.
func (b *ledger) list(ctx context.Context, value string) ([]v1alpha1.ChangeRecord, error) {
	var list v1alpha1.ChangeRecordList
	if err := b.client.List(ctx, &list, client.MatchingLabels{v1alpha1.LabelGap: value}); err != nil {
		return nil, fmt.Errorf("listing the records of gaps: %w", err)
	}
	return gapsAmong(list.Items), nil
}

// adopt finds the gap that an earlier life of this loop left open. There may be more than
// one where its last write was cut off: all but the youngest end where the next begins.
func (b *ledger) adopt(ctx context.Context) (*gap, error) {
	open, err := b.list(ctx, record.GapOpen)
	if err != nil {
		return nil, err
	}
	var errs []error
	var last *gap
	for i := range open {
		rec := &open[i]
		switch {
		case rec.Status.Gap != nil:
			errs = append(errs, b.label(ctx, rec, record.GapUnaudited))
		case last != nil:
			errs = append(errs, b.end(ctx, last.record, rec.Spec.Gap.Since.Time))
			fallthrough
		default:
			last = &gap{record: rec, created: true}
		}
	}
	return last, errors.Join(errs...)
}
