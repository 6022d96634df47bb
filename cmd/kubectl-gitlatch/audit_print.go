package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/cli-runtime/pkg/printers"

	"github.com/gitlatch/gitlatch/reporter/audit"
)

// print shows the findings on out; the sums and the notes are beside them for people,
// and in the same document for programs.
func (r *auditReport) print(out, errOut io.Writer, format string, everything bool) error {
	r.sum()
	shown := []audit.Finding{}
	for i := range r.Findings {
		if everything || !r.Findings[i].Explained() {
			shown = append(shown, r.Findings[i])
		}
	}
	if format == "json" || format == "yaml" {
		document := *r
		document.Findings = shown
		return printAs(out, format, document)
	}
	if len(shown) > 0 {
		if err := printFindings(out, shown, format == "wide"); err != nil {
			return err
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintln(errOut, "note: "+note)
	}
	t := &r.Totals
	_, err := fmt.Fprintf(errOut, "%d found that no record explains (%d proven, %d indicated), %d explained, %d recorded\n",
		t.Findings, t.Proven, t.Indicated, t.Explained, t.Recorded)
	return err
}

// sum notes what was read, and what the answer leaves open.
func (r *auditReport) sum() {
	if s := r.AuditLog; s != nil {
		r.note(fmt.Sprintf("audit log: %d events (%d reads, %d not stored, %d answered by the gate, %d exempt, %d judged)",
			s.Events, s.Reads, s.Failed, s.Answered, s.Exempt, s.Judged))
		if s.Assumed > 0 {
			r.note(fmt.Sprintf("%d writes of controllers were taken to touch nothing that git declares: the log does not show enough; log writes at RequestResponse", s.Assumed))
		}
		if s.Malformed > 0 {
			r.note(fmt.Sprintf("%d lines are no audit events", s.Malformed))
		}
		if s.Truncated {
			r.note("the audit log ends in the middle of an event")
		}
	}
	if s := r.ManagedFields; s != nil {
		r.note(fmt.Sprintf("managedFields: %d objects of %d kinds", s.Objects, s.Kinds))
		for _, not := range s.NotExamined {
			r.note(fmt.Sprintf("not examined: %s: %s", not.What, not.Why))
		}
		if n := len(s.Undecided); n > 0 {
			u := s.Undecided[0]
			r.note(fmt.Sprintf("%d field managers can't be told from a controller's, such as %s (%d entries, on %s): -o json lists them", n, u.Manager, u.Entries, u.Sample))
		}
	}
	if r.Totals.NotShown > 0 {
		r.note(fmt.Sprintf("%d more findings are not shown: ask about a shorter time, or one namespace", r.Totals.NotShown))
	}
}

func printFindings(out io.Writer, findings []audit.Finding, wide bool) error {
	table := printers.GetNewTabWriter(out)
	header := []string{"TIME", "WHO", "VERB", "TARGET", "REASON", "SURE", "WITNESS", "RECORD"}
	if wide {
		header = append(header, "POLICY", "FROM", "FIELDS", "MESSAGE", "NEXT")
	}
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for i := range findings {
		f := &findings[i]
		cells := []string{
			moment(f.At), byWhom(f), verb(&f.Request), findingTarget(f), string(f.Reason), string(f.Confidence), string(f.Evidence),
			strings.Join(f.Records, ","),
		}
		if wide {
			cells = append(cells, f.Policy, fromWhere(f), findingFields(f), f.Message, f.Next)
		}
		for i, cell := range cells {
			cells[i] = orNone(cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

func moment(at time.Time) string {
	if at.IsZero() {
		return "<unknown>"
	}
	return at.UTC().Format(time.RFC3339)
}

// byWhom is the user, with who made the request under that name in front, or, where
// nobody knows, the field manager.
func byWhom(f *audit.Finding) string {
	switch {
	case f.Origin != nil && f.Origin.Impersonator != "":
		return f.Origin.Impersonator + " as " + f.Requester.Username
	case f.Requester.Username != "":
		return f.Requester.Username
	case f.Request.FieldManager != "":
		return "manager " + f.Request.FieldManager
	}
	return ""
}

func findingTarget(f *audit.Finding) string {
	r := &f.Request
	what := r.Kind
	if r.Subresource != "" {
		what = r.Resource + "/" + r.Subresource
	} else if what == "" {
		what = r.Resource
	}
	return describe(r.Group, what, r.Namespace, r.Name)
}

func fromWhere(f *audit.Finding) string {
	if f.Origin == nil {
		return ""
	}
	return strings.TrimSpace(strings.Join(f.Origin.SourceIPs, ",") + " " + f.Origin.UserAgent)
}

func findingFields(f *audit.Finding) string {
	text := strings.Join(f.Fields, " ")
	if f.More > 0 {
		text += fmt.Sprintf(" and %d more", f.More)
	}
	return text
}

// teller tells on one line of a terminal how far a survey is; asked for, on lines of
// their own.
type teller struct {
	out   io.Writer // nil: nobody is told
	lines bool
	last  time.Time
	shown bool
}

func newTeller(out io.Writer, asked bool) *teller {
	t := &teller{last: time.Now()}
	if file, ok := out.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			t.out = out
		}
	}
	if t.out == nil && asked {
		t.out, t.lines = out, true
	}
	return t
}

func (t *teller) tell(format string, args ...any) {
	if t.out == nil {
		return
	}
	now := time.Now()
	if now.Sub(t.last) < time.Second {
		return
	}
	t.last = now
	if t.lines {
		fmt.Fprintf(t.out, format+"\n", args...)
		return
	}
	t.shown = true
	fmt.Fprintf(t.out, "\r\033[K"+format, args...)
}

// end clears the line, so that what follows stands alone.
func (t *teller) end() {
	if t.shown {
		t.shown = false
		fmt.Fprint(t.out, "\r\033[K")
	}
}
