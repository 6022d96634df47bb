package retention

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// batchSize is how many records are archived at once. A crash archives no more than
// these twice.
const batchSize = archive.MaxBatch

// rule is why a record is deleted. It is a label of a metric.
type rule string

const (
	byAge    rule = "age"
	byNumber rule = "number"
)

// version is a record as it was archived.
type version struct {
	name    string
	uid     types.UID
	version string
}

// batch is archived, and not yet deleted.
type batch struct {
	rule    rule
	noted   bool // the cluster knows the archive's new end
	records []version
}

// forget archives records and deletes them, batch by batch. What the archive does not
// take is counted.
func (p *pass) forget(ctx context.Context, why rule, due []*v1alpha1.ChangeRecord) error {
	for len(due) > 0 {
		some := due[:min(batchSize, len(due))]
		if p.failed != nil {
			p.result.Pending += len(due)
			return nil
		}
		err := p.archive(ctx, p.result, why, some)
		if err == nil {
			err = p.finish(ctx, p.result)
		}
		if err = p.unless(err); err != nil {
			return err
		}
		if p.failed == nil {
			due = due[len(some):]
		}
	}
	return nil
}

// archive hands records to the sink.
func (p *pass) archive(ctx context.Context, r *Result, why rule, records []*v1alpha1.ChangeRecord) error {
	appended, err := p.Sink.Append(ctx, p.head, p.now, records)
	if err != nil {
		return &ArchiveError{err}
	}
	if appended.Repaired != "" {
		r.Repaired = append(r.Repaired, appended.Repaired)
	}
	if appended.Broken != "" {
		r.Broken = append(r.Broken, appended.Broken)
	}
	r.Archived += appended.Written
	b := &batch{rule: why, noted: appended.Head == p.head}
	for _, rec := range records {
		b.records = append(b.records, version{rec.Name, rec.UID, rec.ResourceVersion})
	}
	p.Loop.head, p.unfinished = appended.Head, b
	return nil
}

// finish notes the archive's end, and then deletes what is archived. Where it can't, it
// goes on there the next time.
func (l *Loop) finish(ctx context.Context, r *Result) error {
	b := l.unfinished
	if b == nil {
		return nil
	}
	if !b.noted {
		if err := l.Heads.Save(ctx, l.head); err != nil {
			return &ArchiveError{err}
		}
		b.noted = true
	}
	for len(b.records) > 0 {
		deleted, err := l.delete(ctx, b.records[0])
		switch {
		case err != nil:
			return err
		case !deleted:
			r.Changed++
		case b.rule == byAge:
			r.DeletedByAge++
		default:
			r.DeletedByNumber++
		}
		b.records = b.records[1:]
	}
	l.unfinished = nil
	return nil
}

// delete deletes a record as it was archived: one that somebody reviewed meanwhile
// stays, and is archived again.
func (l *Loop) delete(ctx context.Context, v version) (deleted bool, err error) {
	rec := &v1alpha1.ChangeRecord{ObjectMeta: metav1.ObjectMeta{Name: v.name}}
	err = l.Store.Delete(ctx, rec, client.Preconditions{UID: &v.uid, ResourceVersion: &v.version})
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return false, nil
	}
	return false, fmt.Errorf("deleting record %s: %w", v.name, err)
}
