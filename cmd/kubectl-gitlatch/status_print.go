package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/gitlatch/gitlatch/reporter/signals"
)

// statusPrinter prints a report for people: words first, signs and colours beside them.
type statusPrinter struct {
	out    io.Writer
	colour bool
}

// colours: only to a terminal, and not against the reader's will (no-color.org).
func colours(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *statusPrinter) print(r *signals.Report) error {
	for _, part := range []func(*signals.Report) error{p.gate, p.signals, p.syncs, p.windows, p.unreviewed, p.missing} {
		if err := part(r); err != nil {
			return err
		}
	}
	return nil
}

func (p *statusPrinter) gate(r *signals.Report) error {
	e := &r.Enforcement
	fmt.Fprintf(p.out, "GATE  %s: %s\n", e.State, line(e.Why))
	for _, policy := range e.Policies {
		text := fmt.Sprintf("  policy %s: %s", policy.Name, policy.Mode)
		if !policy.Ready {
			text += ", not in force: " + cmp.Or(policy.Message, "the gate has not said that it took it")
		}
		if len(policy.BreakGlass) > 0 {
			text += "; break-glass for " + strings.Join(policy.BreakGlass, ", ")
		}
		fmt.Fprintln(p.out, line(text))
	}
	if g := e.Last; g != nil {
		text := fmt.Sprintf("  last gap: %s from %s to %s", g.State, at(g.Since), at(*g.Until))
		if g.Audited {
			text += fmt.Sprintf(", reviewed for bypasses: %d found", g.Findings)
		} else {
			text += ", not yet reviewed for bypasses"
		}
		fmt.Fprintln(p.out, text+" ("+g.Record+")")
	}
	return nil
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func (p *statusPrinter) signals(r *signals.Report) error {
	fmt.Fprintf(p.out, "\nSIGNALS  since %s\n", at(r.From))
	for i := range r.Signals {
		s := &r.Signals[i]
		fmt.Fprintf(p.out, "%s %s\n    %s\n", p.verdict(s.Verdict), s.Question, line(s.Summary))
		for _, text := range s.Evidence {
			fmt.Fprintln(p.out, "    - "+line(text))
		}
		if s.Advice != "" {
			fmt.Fprintln(p.out, "    next: "+line(s.Advice))
		}
	}
	return nil
}

// verdict is a sign and a word of one width.
func (p *statusPrinter) verdict(v signals.Verdict) string {
	sign, colour := "?", "36"
	switch v {
	case signals.Good:
		sign, colour = "✓", "32"
	case signals.Attention:
		sign, colour = "!", "33"
	case signals.Bad:
		sign, colour = "✗", "31"
	}
	text := fmt.Sprintf("  %s %-9s", sign, v)
	if p.colour {
		return "\x1b[" + colour + "m" + text + "\x1b[0m"
	}
	return text
}

func (p *statusPrinter) syncs(r *signals.Report) error {
	if len(r.Syncs) == 0 {
		return nil
	}
	table := printers.GetNewTabWriter(p.out)
	fmt.Fprintln(table, "\nSYNC\tSTATE\tOBJECTS\tCOMMIT\tMESSAGE")
	for _, s := range r.Syncs {
		fmt.Fprintf(table, "%s/%s\t%s\t%d\t%s\t%s\n", s.Namespace, s.Name, s.State, s.Objects, orNone(shortHash(s.Commit)), orNone(s.Message))
	}
	return table.Flush()
}

func (p *statusPrinter) windows(r *signals.Report) error {
	if len(r.Windows) == 0 {
		return nil
	}
	table := printers.GetNewTabWriter(p.out)
	fmt.Fprintln(table, "\nOPEN WINDOW\tUSER\tLEFT\tREASON\tRECORD")
	for _, w := range r.Windows {
		left := duration.HumanDuration(time.Duration(w.Left) * time.Second)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", line(w.Target), line(w.User), left, line(w.Reason), w.Record)
	}
	return table.Flush()
}

func (p *statusPrinter) unreviewed(r *signals.Report) error {
	u := &r.Unreviewed
	switch {
	case u.Waiting == nil:
		fmt.Fprintln(p.out, "\nREVIEW  unknown")
	case *u.Waiting == 0:
		fmt.Fprintln(p.out, "\nREVIEW  nothing waits")
	default:
		fmt.Fprintf(p.out, "\nREVIEW  %d waiting, %d of them overdue, the oldest since %s (%s)\n", *u.Waiting, *u.Overdue, at(*u.Since), u.Oldest[0])
	}
	return nil
}

func (p *statusPrinter) missing(r *signals.Report) error {
	for _, right := range r.Missing {
		fmt.Fprintln(p.out, "note: missing right: "+line(right))
	}
	return nil
}
