package audit

import (
	"context"

	"github.com/gitlatch/gitlatch/reporter/record"
)

// Recorder turns findings into records, each under a name of its own: the same finding,
// found again, or by another process, is the same record.
type Recorder struct {
	Bypasses *record.Bypasses
}

// Record writes the record of a finding, unless there is one. isNew says whether this
// call made it.
func (r *Recorder) Record(ctx context.Context, f *Finding) (name string, isNew bool, err error) {
	return r.Bypasses.Record(ctx, bypassOf(f))
}

// Try asks the API server whether the record of a finding may be written, and leaves
// nothing behind.
func (r *Recorder) Try(ctx context.Context, f *Finding) error {
	return r.Bypasses.Try(ctx, bypassOf(f))
}

func bypassOf(f *Finding) record.Bypass {
	return record.Bypass{
		Evidence: f.Evidence, Confidence: f.Confidence, Reason: f.Reason, Policy: f.Policy,
		Requester: f.Requester, Origin: f.Origin, Request: f.Request, Target: f.Target, At: f.At,
		Paths: f.Fields, Omitted: f.More, Declared: f.Declared, Message: f.Message,
	}
}
