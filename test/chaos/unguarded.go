package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// unguarded reads the API server's audit log and says which writes of persons were admitted under Enforce, since the
// policies of w were in force, without the gate's word, or on its word that they are recorded while there is no such
// record. A write that was made inside an open window is guarded, whoever of the gate was there to see it.
//
// It asks nothing of Gitlatch but the records, and does not share a line with Gitlatch's own review of that log.
func unguarded(ctx context.Context, w *world) ([]string, error) {
	known := &onRecord{records: map[string]bool{}}
	if err := w.records(ctx, record.Filter{}, known.keep); err != nil {
		return nil, err
	}
	log, err := os.Open(w.plane.AuditLog())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var found []string
	err = eachEvent(ctx, log, func(e *event) {
		if e.At.Before(w.guarded) {
			return
		}
		if why := known.against(e); why != "" {
			found = append(found, e.String()+": "+why)
		}
	})
	return found, err
}

// onRecord is what is on record.
type onRecord struct {
	records map[string]bool // by name
	windows []record.Window
}

func (m *onRecord) keep(rec *v1alpha1.ChangeRecord) {
	m.records[rec.Name] = true
	if w, ok := record.WindowOf(rec); ok {
		m.windows = append(m.windows, w)
	}
}

// against says why a write should not have been admitted; empty when it should have been, or when there was none.
func (m *onRecord) against(e *event) string {
	if !e.stored() || !e.byPerson() || !e.governed() {
		return ""
	}
	said := e.gate()
	switch {
	case said.decision == policy.Flag.String() && m.records[said.record]:
		return ""
	case said.decision == policy.Flag.String():
		return fmt.Sprintf("the gate says that it is recorded as %q, and there is no such record", said.record)
	case said.decision == policy.Allow.String() && said.class != string(v1alpha1.ClassUngoverned):
		return ""
	case m.inWindow(e):
		return ""
	case said.decision != "":
		return fmt.Sprintf("the gate said %s (%s) and recorded nothing", said.decision, said.class)
	case len(said.failed) > 0:
		return "the gate did not answer: " + strings.Join(said.failed, ", ")
	}
	return "the gate was not asked"
}

func (m *onRecord) inWindow(e *event) bool {
	place := record.Place{Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name}
	for i := range m.windows {
		w := &m.windows[i]
		// Its record's time is in whole seconds.
		if w.User == e.user().Username && !e.At.Before(w.Opened.Add(-time.Second)) && e.At.Before(w.Until) && w.Covers(place) {
			return true
		}
	}
	return false
}

// eachEvent tells of every event of an audit log. The last line may be half written: the API server is still there.
func eachEvent(ctx context.Context, log io.Reader, tell func(*event)) error {
	lines := bufio.NewReaderSize(log, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the audit log: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		e := &event{}
		if err := json.Unmarshal(line, e); err != nil {
			return fmt.Errorf("reading line %d of the audit log: %w", n, err)
		}
		tell(e)
	}
}
