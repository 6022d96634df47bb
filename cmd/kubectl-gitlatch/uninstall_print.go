package main

import (
	"fmt"

	"k8s.io/cli-runtime/pkg/printers"
)

// print shows a plan.
func (u *uninstall) print(r *removal) error {
	if u.output != "table" {
		return printAs(u.Out, u.output, r)
	}
	if len(r.Steps) == 0 {
		fmt.Fprintln(u.Out, "nothing of Gitlatch is here")
		return u.printLeft(r)
	}
	table := printers.GetNewTabWriter(u.Out)
	fmt.Fprintln(table, "STEP\tREMOVES")
	for _, s := range r.Steps {
		for i, object := range s.Objects {
			if i > 0 {
				fmt.Fprintf(table, "\t%s\n", line(object))
				continue
			}
			if s.Step == "off" || s.Step == "records" {
				object += " " + map[string]string{"off": "(switched off)", "records": "(" + orNone(r.Records.Fate) + ")"}[s.Step]
			}
			fmt.Fprintf(table, "%s\t%s\n", s.Step, line(object))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return u.printLeft(r)
}

// printLeft shows what stays, and what there is to know.
func (u *uninstall) printLeft(r *removal) error {
	if len(r.Kept) > 0 {
		fmt.Fprintln(u.Out, "\nSTAYS")
		for _, k := range r.Kept {
			fmt.Fprintf(u.Out, "  %s: %s\n", line(k.Object), line(k.Why))
		}
	}
	for _, note := range r.Notes {
		if _, err := fmt.Fprintln(u.Out, "note: "+line(note)); err != nil {
			return err
		}
	}
	return nil
}

func (u *uninstall) printEnd(r *removal) error {
	if len(r.Steps) == 0 {
		return u.print(r)
	}
	if r.Records.Head != "" {
		fmt.Fprintf(u.Out, "%d records are in %s, which ends at %s\n", r.Records.Count, r.Records.File, r.Records.Head)
	}
	fmt.Fprintln(u.Out, "Gitlatch is removed")
	return u.printLeft(r)
}
