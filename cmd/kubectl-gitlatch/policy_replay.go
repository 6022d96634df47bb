package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gitlatch/gitlatch/reporter/audit"
)

// replay takes a log through the judge, one event at a time.
type replay struct {
	court      *court
	reader     *audit.Reader
	translator *audit.Translator
	tally      *tally
	progress   *progress
	errOut     io.Writer
}

// shownProblems is how many lines that are no events are named; the rest is
// counted.
const shownProblems = 5

// run reads to the end. A line that is no event is named and passed over; a
// log in which no line is one is an error.
func (r *replay) run(ctx context.Context) error {
	defer r.progress.end()
	var first *audit.Problem
	for ctx.Err() == nil {
		entry, err := r.reader.Next()
		var problem *audit.Problem
		switch {
		case errors.Is(err, io.EOF):
			return r.end(first)
		case errors.As(err, &problem):
			if first == nil {
				first = problem
			}
			r.problem(problem)
			continue
		case err != nil:
			return fmt.Errorf("reading the audit log: %w", err)
		}
		r.tally.event()
		attempts, skip := r.translator.Translate(entry)
		r.tally.skip(skip)
		for i := range attempts {
			r.tally.add(&attempts[i], r.court.rule(&attempts[i]))
		}
		r.progress.tell(r.tally.totals.Events, r.reader.Bytes())
	}
	return ctx.Err()
}

func (r *replay) problem(problem *audit.Problem) {
	if problem.Truncated {
		r.tally.totals.Truncated = true
		r.progress.end()
		fmt.Fprintf(r.errOut, "warning: line %d, the last, %s: it was left out\n", problem.Line, problem.Reason)
		return
	}
	r.tally.totals.Malformed++
	switch n := r.tally.totals.Malformed; {
	case n <= shownProblems:
		r.progress.end()
		fmt.Fprintf(r.errOut, "warning: line %d: %s\n", problem.Line, problem.Reason)
	case n == shownProblems+1:
		r.progress.end()
		fmt.Fprintln(r.errOut, "warning: more lines like these are only counted")
	}
}

func (r *replay) end(first *audit.Problem) error {
	if r.tally.totals.Events > 0 {
		return nil
	}
	if first == nil {
		return errors.New("the audit log is empty")
	}
	return fmt.Errorf("the audit log holds no event of audit.k8s.io/v1: line %d is %s", first.Line, first.Reason)
}

// progress tells on a terminal how far a long log is read.
type progress struct {
	out    io.Writer // nil: nobody is told
	last   time.Time
	events int
	shown  bool
}

func newProgress(out io.Writer) *progress {
	p := &progress{last: time.Now()}
	if file, ok := out.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = out
		}
	}
	return p
}

// tell looks at the clock only now and then: asking it for each event would
// cost more than some events do.
func (p *progress) tell(events int, bytes int64) {
	if p.out == nil || events-p.events < 500 {
		return
	}
	p.events = events
	if now := time.Now(); now.Sub(p.last) >= time.Second {
		p.last, p.shown = now, true
		fmt.Fprintf(p.out, "\r%d events, %d MiB read", events, bytes>>20)
	}
}

// end clears the line, so that what follows stands alone.
func (p *progress) end() {
	if p.shown {
		p.shown = false
		fmt.Fprint(p.out, "\r\033[K")
	}
}
