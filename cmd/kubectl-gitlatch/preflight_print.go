package main

import (
	"fmt"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

func (p *preflighting) print() error {
	r := &p.report
	if p.output != "table" {
		return printAs(p.Out, p.output, r)
	}
	platforms := "not known"
	if len(r.Platforms) > 0 {
		platforms = strings.Join(r.Platforms, ", ")
	}
	fmt.Fprintf(p.Out, "Kubernetes %s; platform %s; as if enforced: %s\n", line(r.Version), line(platforms), line(strings.Join(r.Policies, ", ")))
	for _, s := range severities() {
		if err := p.printSeverity(s); err != nil {
			return err
		}
	}
	for _, n := range r.NotExamined {
		fmt.Fprintf(p.ErrOut, "note: not examined: %s: %s\n", line(n.What), line(n.Why))
	}
	if r.Incomplete {
		fmt.Fprintln(p.ErrOut, "incomplete: not all could be looked at, and more may block")
	}
	_, err := fmt.Fprintf(p.ErrOut, "%d block, %d warn, %d note; managedFields of %d objects of %d kinds were read\n",
		r.Totals.Blocks, r.Totals.Warns, r.Totals.Notes, r.Totals.Objects, r.Totals.Kinds)
	return err
}

// printSeverity prints findings in columns, each with its next step below.
func (p *preflighting) printSeverity(s severity) error {
	table := printers.GetNewTabWriter(p.Out)
	n := 0
	for i := range p.report.Findings {
		f := &p.report.Findings[i]
		if f.Severity != s {
			continue
		}
		if n++; n == 1 {
			fmt.Fprintf(table, "\n%s\n", strings.ToUpper(string(s)))
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", f.Check, line(f.Subject), line(f.Message))
		fmt.Fprintf(table, "  \t\tnext: %s\n", line(f.Next))
	}
	return table.Flush()
}
