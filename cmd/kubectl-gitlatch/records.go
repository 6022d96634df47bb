package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func newRecords(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	return newGroup("records", "See what was tried around git",
		`  kubectl gitlatch records list --unreviewed
  kubectl gitlatch records show cr-7f3k9q2m`,
		[]string{"record", "rec"},
		newRecordsList(server, streams, now),
		newRecordsShow(server, streams, now),
	)
}

// recordReader reads ChangeRecords from the API server.
type recordReader struct{ client rest.Interface }

func (s *server) records() (*recordReader, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	return &recordReader{client: client}, nil
}

func (r *recordReader) get(ctx context.Context, name string) (*v1alpha1.ChangeRecord, error) {
	record := &v1alpha1.ChangeRecord{}
	err := r.client.Get().Resource("changerecords").Name(name).Do(ctx).Into(record)
	return record, explain(err)
}

// each calls do with every record, a page at a time, in no useful order. A
// list that outlives its snapshot is read again whole, so that a record may
// come twice.
func (r *recordReader) each(ctx context.Context, options metav1.ListOptions, do func(*v1alpha1.ChangeRecord) error) error {
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		list := &v1alpha1.ChangeRecordList{}
		err := r.client.Get().Resource("changerecords").
			VersionedParams(&options, metav1.ParameterCodec).Do(ctx).Into(list)
		return list, err
	})
	err := pages.EachListItem(ctx, options, func(object runtime.Object) error {
		record, ok := object.(*v1alpha1.ChangeRecord)
		if !ok {
			return fmt.Errorf("listing records: the API server sent a %T", object)
		}
		return do(record)
	})
	return explain(err)
}

// explain says of the commonest error what it means: a path that the API
// server does not serve, told apart from a record that is not there.
func explain(err error) error {
	if apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
		return fmt.Errorf("this cluster has no Gitlatch: it knows no changerecords.%s", v1alpha1.Group)
	}
	return err
}
