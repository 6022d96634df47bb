package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gitlatch/gitlatch/test/figures"
)

// report is what one scenario gave.
type report struct {
	Scenario string   `json:"scenario"`
	About    string   `json:"about"`
	Figures  []figure `json:"figures"`
	Seconds  float64  `json:"seconds"`
	Error    string   `json:"error,omitempty"` // why it could not be carried out; empty: it was
}

// figure is a value and what is promised of it.
type figure struct {
	Name string `json:"name"`
	figures.Value
	Promise string `json:"promise,omitempty"` // empty: nothing is
	Broken  bool   `json:"broken,omitempty"`
}

func (f figure) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s  %s", f.Name, f.Value, f.verdict()))
}

func (f figure) verdict() string {
	switch {
	case f.Promise == "":
		return ""
	case f.Broken:
		return "BROKEN: " + f.Promise
	}
	return "kept: " + f.Promise
}

func (r *report) broken() (n int) {
	for _, f := range r.Figures {
		if f.Broken {
			n++
		}
	}
	return n
}

func (r *report) promised() (n int) {
	for _, f := range r.Figures {
		if f.Promise != "" {
			n++
		}
	}
	return n
}

// circumstances are what a figure has to be read with.
type circumstances struct {
	Processors  int     `json:"processors"`
	LoadAverage string  `json:"loadAverage,omitempty"` // of the last minute, at the start; empty: not known
	Seconds     float64 `json:"seconds"`
	began       time.Time
}

func observe() circumstances {
	return circumstances{Processors: runtime.NumCPU(), LoadAverage: figures.LoadAverage(), began: time.Now()}
}

func (c circumstances) over() circumstances {
	c.Seconds = time.Since(c.began).Seconds()
	return c
}

func write(out io.Writer, o *options, reports []*report, when circumstances) error {
	if o.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(map[string]any{"seed": o.seed, "scenarios": reports, "circumstances": when})
	}
	broken, promised := 0, 0
	for _, r := range reports {
		broken, promised = broken+r.broken(), promised+r.promised()
		if err := r.print(out); err != nil {
			return err
		}
	}
	load := ""
	if when.LoadAverage != "" {
		load = ", which had a load of " + when.LoadAverage + " before"
	}
	_, err := fmt.Fprintf(out, "\n%d of %d promises kept, in %.0f s on %d processors%s; seed %d\n",
		promised-broken, promised, when.Seconds, when.Processors, load, o.seed)
	return err
}

func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s: %s (%.0f s)\n", r.Scenario, r.About, r.Seconds)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, f := range r.Figures {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", f.Name, f.Value, f.verdict())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r.Error == "" {
		return nil
	}
	_, err := fmt.Fprintf(out, "  NOT CARRIED OUT: %s\n", r.Error)
	return err
}
