package main

import (
	"fmt"
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// result is what a replay found.
type result struct {
	Policies []string `json:"policies"`
	Totals   totals   `json:"totals"`
	Rows     []row    `json:"rows"`
	Notes    []string `json:"notes,omitempty"`
}

func (t *tally) result() result {
	return result{Policies: t.policies, Totals: t.totals, Rows: t.sorted(), Notes: t.notes()}
}

// notes say what the answer leaves open, and what would settle it.
func (t *tally) notes() []string {
	var notes []string
	note := func(count int, format string) {
		if count > 0 {
			notes = append(notes, fmt.Sprintf(format, count))
		}
	}
	note(t.hints.metadata, "%d unsure at level Metadata: log writes at RequestResponse for exact answers")
	note(t.hints.request, "%d unsure at level Request: log writes at RequestResponse for exact answers")
	note(t.hints.managedFields, "%d unsure for want of managedFields: set omitManagedFields to false in the audit policy")
	note(t.hints.other, "%d unsure because the log does not show the object as it was before: a longer log knows more")
	note(t.hints.facts, "%d unsure because the log does not show the pod, or another object, that it is about")
	note(t.hints.assumed, "%d in namespaces whose labels are not in the log: every namespaceSelector was taken as matching")
	note(t.hints.impersonated, "%d impersonated: the requester is who was impersonated, the name in brackets who did it")
	note(t.totals.Refused, "%d refused by admission when they were made, and not replayed")
	note(t.totals.Malformed, "%d lines are no audit events")
	return notes
}

func (r result) print(out io.Writer, format string) error {
	switch format {
	case "json", "yaml":
		return printAs(out, format, r)
	}
	var text strings.Builder
	wide := format == "wide"
	rows := r.Rows
	if !wide {
		rows = merged(rows)
	}
	if len(rows) > 0 {
		if err := printRows(&text, rows, wide); err != nil {
			return err
		}
		text.WriteByte('\n')
	}
	r.printTotals(&text)
	_, err := io.WriteString(out, text.String())
	return err
}

func printRows(out io.Writer, rows []row, wide bool) error {
	table := printers.GetNewTabWriter(out)
	header := "REQUESTER\tKIND\t"
	if wide {
		header += "NAMESPACE\t"
	}
	header += "DENIED\tUNSURE\tFLAGGED\tREASON\tEXAMPLE"
	if wide {
		header += "\tPOLICY\tMESSAGE"
	}
	fmt.Fprintln(table, header)
	for _, r := range rows {
		requester := r.Requester
		if r.Impersonator != "" {
			requester += " (" + r.Impersonator + ")"
		}
		cells := []string{requester, r.Kind}
		if wide {
			cells = append(cells, r.Namespace)
		}
		cells = append(cells, fmt.Sprint(r.Denied), fmt.Sprint(r.UnsureDenied+r.UnsureFlagged), fmt.Sprint(r.Flagged),
			string(r.Reason), fmt.Sprintf("line %d: %s %s", r.Example.Line, r.Example.Verb, r.Example.Target))
		if wide {
			cells = append(cells, r.Example.Policy, r.Example.Message)
		}
		for i, cell := range cells {
			cells[i] = orNone(cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

func (r result) printTotals(out io.Writer) {
	t := r.Totals
	fmt.Fprintf(out, "policies: %s\n", line(strings.Join(r.Policies, ", ")))
	fmt.Fprintf(out, "events read: %d (%d no writes, %d failed)\n", t.Events, t.NotWrites, t.Failed+t.Refused)
	fmt.Fprintf(out, "writes: %d governed, %d not governed\n", t.Governed, t.Ungoverned)
	fmt.Fprintf(out, "  allowed: %d\n", t.Allowed)
	fmt.Fprintf(out, "  flagged: %d\n", t.Flagged)
	fmt.Fprintf(out, "  denied: %d\n", t.Denied)
	if t.UnsureFlagged > 0 {
		fmt.Fprintf(out, "  flagged, unless it touched nothing declared: %d\n", t.UnsureFlagged)
	}
	if t.UnsureDenied > 0 {
		fmt.Fprintf(out, "  denied, unless it touched nothing declared: %d\n", t.UnsureDenied)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(out, "note: %s\n", note)
	}
}
