package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// recordsCRD is where the records are, and what takes them along.
const recordsCRD = "changerecords." + v1alpha1.Group

func isRecordsCRD(t removed) bool { return t.kind.Resource == crdResource && t.name == recordsCRD }

// sayFate is what to say about records.
const sayFate = "say what becomes of them, --archive FILE, --keep-records or --discard-records"

// removalArchive is the file that takes the records, in the form of the reporter's.
type removalArchive struct {
	file    archive.File
	head    archive.Head
	written map[types.UID]bool
}

// archiveAt says whether a file can be made there.
func archiveAt(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return fmt.Errorf("--archive %s: it is there already; name a new file", path)
	case !os.IsNotExist(err):
		return fmt.Errorf("--archive: %w", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("--archive %s: its directory: %w", path, err)
	}
	return nil
}

// openArchive makes the file, and writes its first line: what can't be written to has to
// be known while nothing is done yet.
func (u *uninstall) openArchive(ctx context.Context, r *removal) error {
	if u.archive == "" {
		return nil
	}
	made, err := os.OpenFile(u.archive, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return badInput(fmt.Errorf("--archive, and nothing was done: %w", err))
	}
	a := &removalArchive{file: archive.File{Path: u.archive}, written: map[types.UID]bool{}}
	if err = made.Close(); err == nil {
		err = keepName(u.archive)
	}
	if err == nil {
		err = a.append(ctx, u.now(), nil)
	}
	if err != nil {
		return errors.Join(badInput(fmt.Errorf("--archive, and nothing was done: %w", err)), a.file.Close(), os.Remove(u.archive))
	}
	r.archive, r.Records.Head = a, a.head.String()
	return nil
}

// keepName has a crash not take the name of a new file away with what is in it.
func keepName(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func (a *removalArchive) append(ctx context.Context, at time.Time, batch []*v1alpha1.ChangeRecord) error {
	done, err := a.file.Append(ctx, a.head, at, batch)
	if err != nil {
		return err
	}
	a.head = done.Head
	for _, record := range batch {
		a.written[record.UID] = true
	}
	return nil
}

// closeArchive ends with the file. One that took no record goes when it was in vain, so
// that the same command may be given again.
func (u *uninstall) closeArchive(r *removal, failed bool) error {
	if r.archive == nil {
		return nil
	}
	err := r.archive.file.Close()
	if failed && len(r.archive.written) == 0 {
		r.Records.File, r.Records.Head = "", ""
		err = errors.Join(err, os.Remove(u.archive))
	}
	return err
}

// saveRecords writes every record to the file that it does not have yet, as the reporter
// does before it deletes one. It looks anew: some were written since the plan was made, by
// pods that ended. Now nobody writes one any more: the pods are gone, or their rights are.
func (u *uninstall) saveRecords(ctx context.Context, r *removal, _ *removalStep) error {
	if u.discard {
		return nil
	}
	reader, err := u.server.records()
	if err != nil {
		return err
	}
	if r.archive == nil {
		return r.noRecords(ctx, reader)
	}
	var batch []*v1alpha1.ChangeRecord
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := r.archive.append(ctx, u.now(), batch)
		batch = batch[:0]
		return err
	}
	queued := map[types.UID]bool{}
	err = reader.each(ctx, metav1.ListOptions{}, func(record *v1alpha1.ChangeRecord) error {
		if r.archive.written[record.UID] || queued[record.UID] { // a list that was begun anew shows it again
			return nil
		}
		queued[record.UID] = true
		if batch = append(batch, record); len(batch) < archive.MaxBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	r.Records.Count, r.Records.Head = len(r.archive.written), r.archive.head.String()
	if err != nil {
		return fmt.Errorf("archiving the records to %s: %w", u.archive, err)
	}
	return nil
}

// noRecords: nothing was said of any, since there were none.
func (r *removal) noRecords(ctx context.Context, reader *recordReader) error {
	found := map[types.UID]bool{}
	err := reader.each(ctx, metav1.ListOptions{}, func(record *v1alpha1.ChangeRecord) error {
		found[record.UID] = true
		return nil
	})
	if r.Records.Count = len(found); err == nil && len(found) > 0 {
		return badInput(fmt.Errorf("there are %d records now: run this again, and %s", len(found), sayFate))
	}
	return err
}

// noteHeads tells where the archives end that the reporter has written: their note of it
// goes with the namespace. The last word counts.
func (u *uninstall) noteHeads(ctx context.Context, r *removal) error {
	kept, err := r.cluster.typed.CoreV1().ConfigMaps(r.Place.Namespace).Get(ctx, "gitlatch-reporter", metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the heads of the archives: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(kept.Data)) {
		if sink, is := strings.CutPrefix(key, "archive-head-"); is {
			begin := fmt.Sprintf("the reporter's archive (%s) ends at ", line(sink))
			r.Notes = slices.DeleteFunc(r.Notes, func(note string) bool { return strings.HasPrefix(note, begin) })
			r.note("%s%s: note it, \"kubectl gitlatch archive verify --head\" takes it", begin, line(kept.Data[key]))
		}
	}
	return nil
}
