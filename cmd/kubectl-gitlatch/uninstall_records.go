package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// saveRecords writes every record to a file, as the reporter does before it deletes one.
// Nobody writes records any more: the pods are gone, or their rights are.
func (u *uninstall) saveRecords(ctx context.Context, r *removal, _ *removalStep) error {
	if u.archive == "" {
		return nil
	}
	reader, err := u.server.records()
	if err != nil {
		return err
	}
	file := &archive.File{Path: u.archive}
	defer file.Close()
	var head archive.Head
	var batch []*v1alpha1.ChangeRecord
	written := map[string]bool{}
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		done, err := file.Append(ctx, head, u.now(), batch)
		if err != nil {
			return err
		}
		head, batch = done.Head, batch[:0]
		return nil
	}
	err = reader.each(ctx, metav1.ListOptions{}, func(record *v1alpha1.ChangeRecord) error {
		if written[record.Name] { // a list that was begun anew shows it again
			return nil
		}
		written[record.Name] = true
		if batch = append(batch, record); len(batch) < archive.MaxBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("archiving the records to %s: %w", u.archive, err)
	}
	r.Records.Count, r.Records.Head = len(written), head.String()
	return nil
}

// noteHeads tells where the archives end that the reporter has written: their note of it
// goes with the namespace.
func (u *uninstall) noteHeads(ctx context.Context, r *removal) error {
	kept, err := r.cluster.typed.CoreV1().ConfigMaps(syncNamespace).Get(ctx, "gitlatch-reporter", metav1.GetOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the heads of the archives: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(kept.Data)) {
		if sink, is := strings.CutPrefix(key, "archive-head-"); is {
			r.note("the reporter's archive (%s) ends at %s: note it, \"kubectl gitlatch archive verify --head\" takes it", sink, line(kept.Data[key]))
		}
	}
	return nil
}
