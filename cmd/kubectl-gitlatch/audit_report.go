package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// maxFindings is how many findings are kept to be shown; the others are counted.
const maxFindings = 10_000

// sameWrite is how far apart the two witnesses may be about one write.
const sameWrite = 5 * time.Second

// auditReport is what both witnesses tell.
type auditReport struct {
	Findings []audit.Finding `json:"findings"`
	Totals   auditTotals     `json:"totals"`
	// AuditLog and ManagedFields are what each witness read. Left out: it was not asked.
	AuditLog      *audit.LogStats `json:"auditLog,omitempty"`
	ManagedFields *audit.Stats    `json:"managedFields,omitempty"`
	Notes         []string        `json:"notes,omitempty"`

	file  string
	bad   int
	proof map[record.Place][]written
}

type auditTotals struct {
	// Findings that no record explains: Proven and Indicated ones.
	Findings  int `json:"findings"`
	Proven    int `json:"proven"`
	Indicated int `json:"indicated"`
	Explained int `json:"explained"`
	Recorded  int `json:"recorded"`
	NotShown  int `json:"notShown,omitempty"`
}

// written is when and under which name a write that the log told of was made.
type written struct {
	at      time.Time
	manager string
}

func placeOf(f *audit.Finding) record.Place {
	r := &f.Request
	return record.Place{Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}
}

// twice says that managedFields tell of a write of which the audit log told already.
func (r *auditReport) twice(f *audit.Finding) bool {
	if f.Evidence != v1alpha1.EvidenceManagedFields {
		return false
	}
	for _, w := range r.proof[placeOf(f)] {
		if (w.manager == "" || w.manager == f.Request.FieldManager) && f.At.Sub(w.at).Abs() <= sameWrite {
			return true
		}
	}
	return false
}

func (r *auditReport) add(f audit.Finding) {
	switch {
	case f.Explained():
		r.Totals.Explained++
	default:
		r.count(&f)
	}
	r.keep(f)
}

// recorded adds a finding that this run has put on record: it was found all the same.
func (r *auditReport) recorded(f audit.Finding, name string) {
	r.count(&f)
	f.Next = fmt.Sprintf("recorded as %s; %s", name, f.Next)
	r.keep(f)
}

func (r *auditReport) count(f *audit.Finding) {
	r.Totals.Findings++
	if f.Confidence == v1alpha1.ConfidenceProven {
		r.Totals.Proven++
	} else {
		r.Totals.Indicated++
	}
}

func (r *auditReport) keep(f audit.Finding) {
	if len(r.Findings) >= maxFindings {
		r.Totals.NotShown++
		return
	}
	if f.Evidence == v1alpha1.EvidenceAuditLog {
		if r.proof == nil {
			r.proof = map[record.Place][]written{}
		}
		r.proof[placeOf(&f)] = append(r.proof[placeOf(&f)], written{f.At, f.Request.FieldManager})
	}
	r.Findings = append(r.Findings, f)
}

// policies notes what the answer rests on.
func (r *auditReport) policies(list []*policy.Policy, fromFiles bool) {
	names := make([]string, 0, len(list))
	for _, p := range list {
		text := p.Name
		if !p.Created.IsZero() {
			text += " (since " + p.Created.UTC().Format(time.RFC3339) + ")"
		}
		names = append(names, text)
	}
	switch {
	case len(list) == 0:
		r.note("no policy governs anything: only Gitlatch's own objects, and identities that are impersonated, are looked at")
	case fromFiles:
		r.note("judged by the policies of the files, as if they had always been there: " + strings.Join(names, ", "))
	default:
		r.note("judged by the policies as they are now; what was done before one was made is no bypass of it: " + strings.Join(names, ", "))
	}
}

func (r *auditReport) note(text string) { r.Notes = append(r.Notes, line(text)) }

// problem warns of lines that are no events, the first few.
func (r *auditReport) problem(out io.Writer) func(*audit.Problem) {
	return func(p *audit.Problem) {
		switch r.bad++; {
		case p.Truncated:
			fmt.Fprintf(out, "warning: %s: line %d, the last, %s: it was left out\n", logName(r.file), p.Line, p.Reason)
		case r.bad <= shownProblems:
			fmt.Fprintf(out, "warning: %s: line %d: %s\n", logName(r.file), p.Line, p.Reason)
		case r.bad == shownProblems+1:
			fmt.Fprintln(out, "warning: more lines like these are only counted")
		}
	}
}

// logged sums the stats of several logs.
func (r *auditReport) logged(s audit.LogStats) {
	if r.AuditLog == nil {
		r.AuditLog = &s
		return
	}
	sum := r.AuditLog
	sum.Bytes += s.Bytes
	for _, pair := range []struct{ to, from *int }{
		{&sum.Events, &s.Events}, {&sum.Reads, &s.Reads}, {&sum.Failed, &s.Failed}, {&sum.Answered, &s.Answered}, {&sum.Exempt, &s.Exempt},
		{&sum.Judged, &s.Judged}, {&sum.Assumed, &s.Assumed}, {&sum.Findings, &s.Findings}, {&sum.Explained, &s.Explained}, {&sum.Malformed, &s.Malformed},
	} {
		*pair.to += *pair.from
	}
	sum.Truncated = sum.Truncated || s.Truncated
	if sum.From.IsZero() || !s.From.IsZero() && s.From.Before(sum.From) {
		sum.From = s.From
	}
	if s.To.After(sum.To) {
		sum.To = s.To
	}
}
