package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
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

// Units of values.
const (
	unitTime  = "ns"
	unitBytes = "B"
	unitRatio = "x"
)

func nanoseconds(d time.Duration) Value { return Value{float64(d), unitTime} }

func (v Value) String() string {
	switch v.Unit {
	case unitTime:
		return readable(time.Duration(v.Number))
	case unitBytes:
		return fmt.Sprintf("%.1f MiB", v.Number/(1<<20))
	case unitRatio:
		return fmt.Sprintf("%.2fx", v.Number)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v.Number), ".0")
}

// readable has three digits and does not change its unit within what is compared.
func readable(d time.Duration) string {
	switch size := d.Abs(); {
	case size < 10*time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case size < time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
	default:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	}
}

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

func write(out io.Writer, format string, tables []Table, took time.Duration) error {
	if format == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(map[string]any{"tables": tables, "missed": missed(tables), "seconds": took.Seconds()})
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
	_, err := fmt.Fprintf(out, "\n%d of %d targets met, in %s\n", targets-missed(tables), targets, took.Round(time.Second))
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
		cells := make([]string, len(r.Values))
		for i, v := range r.Values {
			cells[i] = v.String()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", r.Name, strings.Join(cells, "\t"), r.verdict())
	}
	return w.Flush()
}
