package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
)

// Table is what one measurement gave.
type Table struct {
	Title   string   `json:"title"`
	Note    string   `json:"note,omitempty"`
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
}

// Row is one thing that was measured: a value for each of the table's columns.
type Row struct {
	Name   string   `json:"name"`
	Values []Value  `json:"values"`
	Target string   `json:"target,omitempty"` // empty: there is none
	Missed bool     `json:"missed,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// Value is a number with its unit: ns, B, x (a ratio) or "" (a count).
type Value struct {
	Number float64 `json:"number"`
	Unit   string  `json:"unit,omitempty"`
}

func (v Value) String() string { return figures.Value(v).String() }

// Units of values.
const (
	unitTime  = figures.Time
	unitBytes = figures.Bytes
	unitRatio = figures.Ratio
)

func nanoseconds(d time.Duration) Value { return Value{float64(d), unitTime} }

// verdict is what stands in the last column.
func (r *Row) verdict() string {
	verdict := ""
	switch {
	case r.Target == "":
	case r.Missed:
		verdict = "MISSED: " + r.Target
	default:
		verdict = "met: " + r.Target
	}
	return strings.TrimSpace(strings.Join(append([]string{verdict}, r.Notes...), "  "))
}

func missed(tables []Table) int {
	n := 0
	for _, t := range tables {
		for _, r := range t.Rows {
			if r.Missed {
				n++
			}
		}
	}
	return n
}

// circumstances are what a figure has to be read with.
type circumstances struct {
	Processors  int     `json:"processors"`
	LoadAverage string  `json:"loadAverage,omitempty"` // of the last minute, at the start; empty: not known
	Seconds     float64 `json:"seconds"`
}

func write(out io.Writer, format string, tables []Table, when circumstances) error {
	if format == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(map[string]any{"tables": tables, "missed": missed(tables), "circumstances": when})
	}
	for _, t := range tables {
		if err := t.print(out); err != nil {
			return err
		}
	}
	targets := 0
	for _, t := range tables {
		for _, r := range t.Rows {
			if r.Target != "" {
				targets++
			}
		}
	}
	load := ""
	if when.LoadAverage != "" {
		load = ", which had a load of " + when.LoadAverage + " before"
	}
	_, err := fmt.Fprintf(out, "\n%d of %d targets met, in %.0f s on %d processors%s\n",
		targets-missed(tables), targets, when.Seconds, when.Processors, load)
	return err
}

func (t *Table) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(out, "%s\n", t.Note)
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "  \t%s\t\n", strings.Join(t.Columns, "\t"))
	for _, r := range t.Rows {
		cells := make([]string, len(t.Columns)) // a row may have no value for the last ones
		for i, v := range r.Values {
			cells[i] = v.String()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", r.Name, strings.Join(cells, "\t"), r.verdict())
	}
	return w.Flush()
}
