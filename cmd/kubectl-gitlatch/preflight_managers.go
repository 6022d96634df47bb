package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/reporter/audit"
)

// maxManagers bounds how many field managers are told of.
const maxManagers = 500

// manager is what one field manager wrote that a policy would deny.
type manager struct {
	objects int
	kinds   map[string]bool
	last    time.Time
	sample  audit.Finding
}

// managers asks of every entry of managedFields what the gate would have said: people's
// tools by name, and what no controller may write.
func (p *preflighting) managers(ctx context.Context) error {
	told := newTeller(p.ErrOut, p.progress)
	defer told.end()
	found, more := map[string]*manager{}, 0
	survey := &audit.Fields{
		Metadata: p.objects, Discovery: p.discovery, Policies: p.policies, Install: p.install,
		Progress: func(at audit.Progress) { told.tell("%d of %d kinds, %d objects", at.Kinds, at.Of, at.Objects) },
	}
	stats, err := survey.Survey(ctx, func(f audit.Finding) error {
		name := f.Request.FieldManager
		m := found[name]
		switch {
		case m == nil && len(found) >= maxManagers:
			more++
			return nil
		case m == nil:
			m = &manager{kinds: map[string]bool{}, sample: f}
			found[name] = m
		}
		m.objects++
		m.kinds[groupedName(f.Request.Group, f.Request.Kind)] = true
		if f.At.After(m.last) {
			m.last, m.sample = f.At, f
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.report.Totals.Kinds, p.report.Totals.Objects = stats.Kinds, stats.Objects
	p.report.NotExamined = append(p.report.NotExamined, stats.NotExamined...)
	for _, name := range slices.Sorted(maps.Keys(found)) {
		p.report.add(p.managerFinding(name, found[name]))
	}
	if more > 0 {
		p.report.add(preflightFinding{Severity: severityWarns, Check: checkManagers, Subject: "others",
			Message: fmt.Sprintf("%d more objects were written under more than %d other names", more, maxManagers), Next: "bring under git what the first ones wrote, and run it again"})
	}
	p.undecided(&stats)
	return nil
}

func (p *preflighting) managerFinding(name string, m *manager) preflightFinding {
	f := preflightFinding{
		Severity: severityNotes, Check: checkManagers, Subject: name, Objects: m.objects, Kinds: slices.Sorted(maps.Keys(m.kinds)), Last: m.last,
		Next: "commit what it writes to git, so that git writes it; an audit log tells who it is: kubectl gitlatch policy test --audit-log",
	}
	when := "long ago"
	if !m.last.IsZero() {
		when = "on " + m.last.UTC().Format(time.DateOnly)
	}
	if m.last.After(p.now().Add(-p.recent)) {
		f.Severity = severityBlocks
	}
	_, why, _ := strings.Cut(m.sample.Message, "; it ")
	f.Message = fmt.Sprintf("wrote %s of %s, last %s (%s): it %s, and would be denied",
		objectCount(m.objects), someKinds(f.Kinds), when, placeName(&m.sample), why)
	return f
}

// undecided are names that may be controllers': those of something that runs here go on.
func (p *preflighting) undecided(stats *audit.Stats) {
	runs, nothing := 0, "nothing of this name runs in the cluster"
	if p.running.partial {
		nothing = "nothing of this name runs in the cluster as far as could be read"
	}
	for _, u := range stats.Undecided {
		if p.running.names[u.Manager] {
			runs++
			continue
		}
		f := preflightFinding{Severity: severityWarns, Check: checkManagers, Subject: u.Manager, Objects: u.Entries, Last: u.Last,
			Message: fmt.Sprintf("wrote %s (such as %s), and %s", objectCount(u.Entries), u.Sample, nothing),
			Next:    "if it is a controller in a pod it goes on; if it is a pipeline or a program outside it is denied: have it commit to git, or name it under trusted"}
		if !u.Last.After(p.now().Add(-p.recent)) {
			f.Severity = severityNotes
		}
		p.report.add(f)
	}
	if runs > 0 {
		p.report.add(preflightFinding{Severity: severityNotes, Check: checkManagers, Subject: "controllers",
			Message: fmt.Sprintf("%d field managers have the names of programs that run here: their pods go on writing what git does not declare", runs),
			Next:    "nothing; what they write into declared objects is denied, unless the policy trusts them with those fields"})
	}
	if stats.UndecidedMore > 0 {
		p.report.add(preflightFinding{Severity: severityWarns, Check: checkManagers, Subject: "others",
			Message: fmt.Sprintf("%d more entries are of names that could not be told from controllers'", stats.UndecidedMore), Next: "stay in Audit until the records hold no surprise"})
	}
}

func placeName(f *audit.Finding) string {
	out := groupedName(f.Request.Group, f.Request.Kind) + " "
	if f.Request.Namespace != "" && f.Request.Namespace != f.Request.Name {
		out += f.Request.Namespace + "/"
	}
	return out + f.Request.Name
}

func objectCount(n int) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}

// someKinds names a few, and counts the rest.
func someKinds(kinds []string) string {
	const most = 4
	if len(kinds) > most {
		return strings.Join(kinds[:most-1], ", ") + fmt.Sprintf(" and %d more kinds", len(kinds)-most+1)
	}
	return strings.Join(kinds, ", ")
}
