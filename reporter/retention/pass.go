package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// pageSize is how many records are in memory at a time: up to 4 MB.
const pageSize = 500

// Result is what a pass did and found.
type Result struct {
	// Listed says that all records were seen; only then the figures of what is there
	// are right.
	Listed bool
	// Stored is how many records are left.
	Stored int
	// Pending are to be archived and deleted, and are not.
	Pending int
	// Over counts the records above the limit that nothing may delete.
	Over int
	// Kept counts those that no rule deletes.
	Kept map[Kept]int

	Archived, Closed, DeletedByAge, DeletedByNumber int
	// Changed while they were archived, and so kept until the next pass; or deleted by
	// somebody else.
	Changed int
	// Repaired and Broken are what the sink said of its end.
	Repaired, Broken []string
	// Head is the end of the archive.
	Head archive.Head
	// More says that there is work left which was not tried.
	More bool
}

// pass goes over all records once.
type pass struct {
	*Loop
	now    time.Time
	result *Result
	oldest oldest
	// failed is why the archive takes nothing; what is left is then only counted.
	failed error
}

// Pass goes over all records once. It gives what it did also with an error.
func (l *Loop) Pass(ctx context.Context) (*Result, error) {
	p := &pass{Loop: l, now: l.Clock.Now(), result: &Result{Kept: map[Kept]int{}}}
	err := p.run(ctx)
	p.result.Head = l.head
	return p.result, err
}

func (p *pass) run(ctx context.Context) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	before := p.deleted()
	switch err := p.pages(ctx); {
	case apierrors.IsResourceExpired(err): // the list is older than the API server remembers
		p.result.More = p.failed == nil
		return p.failed
	case err != nil:
		return errors.Join(p.failed, err)
	}
	p.result.Listed = true
	p.result.Stored -= p.deleted() - before
	before = p.deleted()
	err := p.byNumber(ctx)
	p.result.Stored -= p.deleted() - before
	return errors.Join(p.failed, err)
}

func (p *pass) deleted() int { return p.result.DeletedByAge + p.result.DeletedByNumber }

// begin reads the head and finishes what the last pass could not.
func (p *pass) begin(ctx context.Context) error {
	if !p.loaded {
		head, err := p.Heads.Load(ctx)
		if err != nil {
			p.failed = &ArchiveError{err}
			return nil
		}
		p.head, p.loaded = head, true
	}
	return p.unless(p.finish(ctx, p.result))
}

// unless keeps a failure of the archive for the end, and gives any other.
func (p *pass) unless(err error) error {
	var archiving *ArchiveError
	if errors.As(err, &archiving) {
		p.failed = err
		return nil
	}
	return err
}

func (p *pass) pages(ctx context.Context) error {
	next := ""
	for {
		var page v1alpha1.ChangeRecordList
		if err := p.Store.List(ctx, &page, client.Limit(pageSize), client.Continue(next)); err != nil {
			return fmt.Errorf("listing records: %w", err)
		}
		var due []*v1alpha1.ChangeRecord
		for i := range page.Items {
			rec := &page.Items[i]
			if p.look(rec) {
				due = append(due, rec)
				continue
			}
			if err := p.close(ctx, rec); err != nil {
				return err
			}
		}
		if err := p.forget(ctx, byAge, due); err != nil {
			return err
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// look counts a record and says whether its age is over.
func (p *pass) look(rec *v1alpha1.ChangeRecord) (due bool) {
	if rec.DeletionTimestamp != nil {
		return false
	}
	p.result.Stored++
	if why := Why(rec, p.now); why != KeptNot {
		p.result.Kept[why]++
		return false
	}
	if tooOld(rec, p.now, p.Options.MaxAge) {
		return true
	}
	p.oldest.add(candidate{name: rec.Name, rank: rankOf(rec, p.now, p.Options.Notifying), at: record.LastSeen(rec)})
	return false
}

// byNumber lets go of the oldest above the limit.
func (p *pass) byNumber(ctx context.Context) error {
	over := p.result.Stored - p.result.Pending - p.Options.MaxRecords
	if p.Options.MaxRecords == 0 || over <= 0 {
		return nil
	}
	going := p.oldest.first(over)
	if left := over - len(going); left > 0 {
		p.result.More = len(going) == maxCandidates && p.failed == nil
		if !p.result.More {
			p.result.Over = left
		}
	}
	for len(going) > 0 {
		some := going[:min(batchSize, len(going))]
		going = going[len(some):]
		due, err := p.readAgain(ctx, some)
		if err != nil {
			return err
		}
		if err := p.forget(ctx, byNumber, due); err != nil {
			return err
		}
	}
	return nil
}

// readAgain reads candidates, of which only names were kept, and judges them anew.
func (p *pass) readAgain(ctx context.Context, some []candidate) ([]*v1alpha1.ChangeRecord, error) {
	var due []*v1alpha1.ChangeRecord
	for _, c := range some {
		if p.failed != nil { // to be counted, no more
			p.result.Pending++
			continue
		}
		rec := &v1alpha1.ChangeRecord{}
		err := p.Store.Get(ctx, client.ObjectKey{Name: c.name}, rec)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("reading record %s: %w", c.name, err)
		case rec.DeletionTimestamp == nil && rankOf(rec, p.now, p.Options.Notifying) <= c.rank:
			due = append(due, rec)
		}
	}
	return due, nil
}

// owner is the field manager of what Gitlatch writes to records.
const owner = client.FieldOwner("gitlatch")

// close ends a denial that nobody reviewed, unless somebody writes to it just now.
func (p *pass) close(ctx context.Context, rec *v1alpha1.ChangeRecord) error {
	if rec.DeletionTimestamp != nil || !mayClose(rec, p.now, p.Options.CloseAfter) {
		return nil
	}
	before := rec.DeepCopy()
	rec.Status.Phase = v1alpha1.PhaseClosed
	err := p.Store.Status().Patch(ctx, rec, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), owner)
	switch {
	case err == nil:
		p.result.Closed++
	case !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
		return fmt.Errorf("closing record %s: %w", before.Name, err)
	}
	return nil
}
