package main

import (
	"fmt"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// print shows a plan.
func (u *uninstall) print(r *removal) error {
	if u.output != "table" {
		return printAs(u.Out, u.output, r)
	}
	if len(r.Steps) == 0 {
		fmt.Fprintf(u.Out, "nothing of Gitlatch is here: %s\n", r.Place)
		return u.printLeft(r)
	}
	fmt.Fprintf(u.Out, "Gitlatch is to be removed from %s\n\n", r.Place)
	table := printers.GetNewTabWriter(u.Out)
	fmt.Fprintln(table, "STEP\tREMOVES")
	for _, s := range r.Steps {
		for i, object := range s.Objects {
			if i > 0 {
				fmt.Fprintf(table, "\t%s\n", line(object))
				continue
			}
			switch fate := r.Records.Fate; {
			case s.Step == "off":
				object += " (switched off)"
			case s.Step == "records" && fate == "":
				object += " (" + sayFate + ")"
			case s.Step == "records":
				object += " (" + fate + ")"
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

// printEnd shows what was done, and what there is to know, to its end or not.
func (u *uninstall) printEnd(r *removal) error {
	if u.output != "table" || len(r.Steps) == 0 {
		return u.print(r)
	}
	if r.Records.Head != "" {
		fmt.Fprintf(u.Out, "%d records are in %s, which ends at %s\n", r.Records.Count, r.Records.File, r.Records.Head)
	}
	if r.Failed != "" {
		var left []string
		for _, s := range r.Steps {
			if !s.Done {
				left = append(left, s.Step)
			}
		}
		fmt.Fprintf(u.Out, "Gitlatch is not removed from %s; not done: %s\n", r.Place, orNone(strings.Join(left, ", ")))
		return u.printLeft(r)
	}
	fmt.Fprintf(u.Out, "Gitlatch is removed from %s\n", r.Place)
	return u.printLeft(r)
}
