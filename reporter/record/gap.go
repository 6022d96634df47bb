package record

import (
	"strconv"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Values of [v1alpha1.LabelGap].
const (
	GapOpen      = "open"
	GapUnaudited = "unaudited"
)

// OfGap makes the record of a gap that is open; spec.gap must be set. Its name follows
// from the gap: whoever finds it a second time finds it recorded.
func OfGap(spec v1alpha1.ChangeRecordSpec) *v1alpha1.ChangeRecord {
	g := spec.Gap
	name := recordName("gap", strconv.FormatInt(g.Since.UnixMicro(), 10), string(g.State), string(g.Expected), g.Cause)
	rec := build(name, &Entry{Spec: spec})
	rec.Labels[v1alpha1.LabelGap] = GapOpen
	return rec
}
