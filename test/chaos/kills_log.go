package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// settled is how long what the last replicas know takes to be stored: counts each second, and the first status of a
// record whose writer was killed.
const settled = 5 * time.Second

// hold holds the records against the audit log, once the load is over and every replica runs.
func (t *tallied) hold(ctx context.Context, w *world) error {
	if err := sleep(ctx, settled); err != nil {
		return err
	}
	b := newBook()
	if err := w.records(ctx, record.Filter{}, b.keep); err != nil {
		return err
	}
	for i := range w.gate.Replicas() {
		b.read(w.gate.Logs(i), t.deaths[i])
	}
	events, err := w.written(ctx)
	if err != nil {
		return err
	}
	found, err := w.review(ctx)
	if err != nil {
		return err
	}
	b.hold(events, found, t)
	if t.past, err = unguarded(ctx, w); err != nil {
		return err
	}
	t.openCalls, err = w.failOpens(ctx)
	return err
}

// unkept is a denial that a replica could not record before it answered, and how long it lived after that.
type unkept struct {
	at    time.Time
	lived time.Duration
}

// retried is how long a replica takes to record later what it could not at once: it tries each second, for up to two.
// The line in its log excuses a denial without a record only where the replica was killed before.
const retried = 5 * time.Second

// isLogged says that a denial stands in the log of a replica that was killed right after. A line is of one denial.
func (b *book) isLogged(d deed, at time.Time) bool {
	for i, u := range b.logged[d] {
		if u.lived < retried && u.at.Sub(at).Abs() < slack {
			b.logged[d] = slices.Delete(b.logged[d], i, i+1)
			return true
		}
	}
	return false
}

// read takes in the denials that a replica could not record before it answered; deaths is when it was killed.
func (b *book) read(log string, deaths []time.Time) {
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"out-of-band attempt, not recorded"`) {
			continue
		}
		var said struct {
			Time                                                                    time.Time
			Outcome, User, Operation, Group, Resource, Subresource, Namespace, Name string
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Outcome == string(v1alpha1.OutcomeDenied) {
			d := deed{said.User, said.Operation, said.Group, said.Resource, said.Subresource, said.Namespace, said.Name}.normal()
			b.logged[d] = append(b.logged[d], unkept{said.Time, livedOn(said.Time, deaths)})
		}
	}
}

// livedOn is how long it was from then to the next death.
func livedOn(from time.Time, deaths []time.Time) time.Duration {
	for _, died := range deaths {
		if !died.Before(from) {
			return died.Sub(from)
		}
	}
	return math.MaxInt64
}

// written are the persons' requests to write on what the scenario governs, whatever came of them.
func (w *world) written(ctx context.Context) (events []*event, err error) {
	log, err := os.Open(w.plane.AuditLog())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	err = eachEvent(ctx, log, func(e *event) {
		if e.Stage == "ResponseComplete" && e.ObjectRef != nil && !e.At.Before(w.guarded) && e.byPerson() && e.tries() && chaotic(e.ObjectRef) {
			events = append(events, e)
		}
	})
	return events, err
}

// tries says that the request asks to write.
func (e *event) tries() bool {
	if strings.Contains(e.RequestURI, "dryRun=All") {
		return false
	}
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return e.ObjectRef.Subresource == "exec"
}

// chaotic says that the object is one of the namespaces of the scenarios, or in one.
func chaotic(ref *objectRef) bool {
	return strings.HasPrefix(ref.Namespace, enforced) || ref.Resource == "namespaces" && strings.HasPrefix(ref.Name, enforced)
}

// review asks `kubectl gitlatch audit` about the audit log, as whoever looks for bypasses does, and returns what it
// finds by audit id, with the records that explain it: empty where none does, and it is a bypass.
func (w *world) review(ctx context.Context) (map[string][]string, error) {
	dir := filepath.Join(w.plane.Dir(), "bin")
	if err := gitlatch.Build(ctx, dir, "kubectl-gitlatch"); err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "kubectl-gitlatch"), "audit", "--audit-log", w.plane.AuditLog(), "-o", "json", "--all")
	cmd.Env = w.plane.KubectlEnv("admin")
	cmd.Stdout, cmd.Stderr = &out, &errs
	const somethingFound = 1
	if err := cmd.Run(); err != nil && (cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != somethingFound) {
		return nil, fmt.Errorf("running kubectl gitlatch audit: %w: %s", err, errs.String())
	}
	var report struct {
		Findings []struct {
			Evidence string   `json:"evidence"`
			Records  []string `json:"records"`
			Request  struct {
				UID string `json:"uid"`
			} `json:"request"`
		} `json:"findings"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		return nil, fmt.Errorf("reading what kubectl gitlatch audit says: %w", err)
	}
	found := map[string][]string{}
	for _, f := range report.Findings {
		if f.Evidence == "AuditLog" {
			found[f.Request.UID] = f.Records
		}
	}
	return found, nil
}
