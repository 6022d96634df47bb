package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/gitlatch/gitlatch/reporter/archive"
)

// printVerified writes the places where an archive is broken, and then the verdict.
func printVerified(out io.Writer, r *archive.Report) error {
	var text strings.Builder
	if len(r.Findings) > 0 {
		table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
		fmt.Fprintln(table, "WHAT\tFILE\tLINE\tSEQ\tRECORD\tDETAIL")
		for _, f := range r.Findings {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", f.What, orNone(f.File), number(uint64(max(f.Line, 0))), number(f.Seq), orNone(f.Record), line(f.Detail))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if r.More > 0 {
			fmt.Fprintf(&text, "and %d more\n", r.More)
		}
		text.WriteByte('\n')
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&text, "note: %s\n", line(note))
	}
	verdict := "intact"
	if !r.Intact {
		verdict = "BROKEN"
	}
	fmt.Fprintf(&text, "%s: %d lines, %d of records, seq %d to %d\nhead: %s\n", verdict, r.Lines, r.Records, r.First, r.Last.Seq, r.Last)
	_, err := io.WriteString(out, text.String())
	return err
}

// number is empty for what is not known.
func number(n uint64) string {
	if n == 0 {
		return "<none>"
	}
	return strconv.FormatUint(n, 10)
}
