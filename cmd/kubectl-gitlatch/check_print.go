package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// print writes what was found, by file and object. The totals are for people, and go where they
// disturb no pipe.
func (c *check) print(i *inspection) error {
	slices.SortStableFunc(i.findings, func(a, b finding) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Object, b.Object)) })
	i.findings = slices.Compact(i.findings)
	if c.output != "" {
		all := append([]finding{}, i.findings...) // an empty list, not null
		for _, d := range i.differences {
			all = append(all, finding{Severity: severityDiffers, File: d.File, Object: d.Object, Reason: reasonDiffers, Message: d.summary()})
		}
		return printAs(c.Out, c.output, all)
	}
	for _, f := range i.findings {
		if _, err := fmt.Fprintln(c.Out, f); err != nil {
			return err
		}
	}
	if err := printDifferences(c.Out, i.differences); err != nil {
		return err
	}
	_, err := io.WriteString(c.ErrOut, i.totals(c.serverSide))
	return err
}

// String is one line, as compilers write them.
func (f finding) String() string {
	var text strings.Builder
	if f.Severity == severityWarning {
		text.WriteString("warning: ")
	}
	if f.File != "" {
		text.WriteString(f.File + ": ")
	}
	if f.Object != "" {
		text.WriteString(f.Object + ": ")
	}
	if f.Key != "" {
		text.WriteString(f.Key + ": ")
	}
	return line(text.String()+f.Message) + " [" + f.Reason + "]"
}

func (i *inspection) totals(asked bool) string {
	errors, warnings := 0, 0
	for _, f := range i.findings {
		if f.Severity == severityWarning {
			warnings++
		} else {
			errors++
		}
	}
	text := fmt.Sprintf("checked %s in %s: %s, %s", counted(i.objects, "object"), counted(len(i.folders), "folder"),
		counted(errors, "error"), counted(warnings, "warning"))
	if asked {
		text += fmt.Sprintf(", %s from the cluster", counted(len(i.differences), "difference"))
	}
	return text + "\n"
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// summary is a difference in a few words, without any value.
func (d *difference) summary() string {
	switch {
	case d.Owner != "":
		return "the sync " + d.Owner + " has it, so it is not touched"
	case d.Action == actionCreate:
		return "would be created"
	case d.Action == actionPrune:
		return "would be deleted"
	}
	var paths []string
	for _, change := range d.Changes[:min(5, len(d.Changes))] {
		paths = append(paths, change.Path)
	}
	if more := len(d.Changes) - len(paths); more > 0 {
		paths = append(paths, fmt.Sprintf("and %d more", more))
	}
	return "would change: " + strings.Join(paths, ", ")
}
