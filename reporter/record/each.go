package record

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Each tells of the records that a filter selects, page by page and in no order, and
// keeps none. The filter's Limit is not asked.
func Each(ctx context.Context, reader client.Reader, f Filter, tell func(*v1alpha1.ChangeRecord)) error {
	return pages(ctx, reader, f.selector(), func(rec *v1alpha1.ChangeRecord) {
		if f.matches(rec) {
			tell(rec)
		}
	})
}
