package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gitlatch/gitlatch/policy"
)

// Log is the witness that knows who: the API server's audit log, a file or a stream of
// audit.k8s.io/v1 Events, one JSON document a line, compressed with gzip or not. What
// it finds is Proven, but where the log does not hold enough for the judge.
//
// A finding is a write, or a way into a pod, that was answered with success, stored, of
// which none of our webhooks says in the log that it decided, or of which one says that
// it did not answer, and which the judge does not let through; and every such request
// that somebody made under the name of an identity that the gate lets through.
//
// It is one pass. Its memory is that of a few chunks of a MiB, of the longest line, and
// of the objects that are remembered.
type Log struct {
	// Policies that say what is governed, as they are now. What was done before one was
	// made is no bypass of it.
	Policies []*policy.Policy
	Install  policy.Installation
	// Labels looks up a namespace that the log does not show; nil where it is not
	// known. It is asked for the same one again and again. Left out: nobody can, and
	// every namespace is taken as selected.
	Labels func(namespace string) map[string]string
	// Known explains what the gate, or the applier, knew of. Left out: nothing is.
	Known *Known
	// From and To leave out what was asked before and after. Left out: nothing is.
	From, To time.Time
	// Namespace leaves out everything outside of it. Left out: nothing is.
	Namespace string
	// Remember is how many bytes of objects are kept, to compare later writes with.
	// Left out: [DefaultMemory].
	Remember int
	// Workers decode side by side. Left out: 2.
	Workers int
	// Problem is told of each line that is no event. Left out: they are counted.
	Problem func(*Problem)
	// Progress is told now and then. Left out: nobody is.
	Progress func(LogStats)
}

// LogStats are what a pass over a log read. They add up: an event is a read, a write that
// failed, or one that the gate answered, that is exempt or that was judged.
type LogStats struct {
	Bytes  int64 `json:"bytes"`
	Events int   `json:"events"`
	// Reads are events of no write; Failed are writes that were not stored: refused,
	// failed, or dry runs.
	Reads  int `json:"reads"`
	Failed int `json:"failed"`
	// Answered are those on which the gate decided. Exempt are those of whom it lets
	// through, or of what nothing governs. Judged are the others.
	Answered int `json:"answered"`
	Exempt   int `json:"exempt"`
	Judged   int `json:"judged"`
	// Assumed are writes of controllers of which the log does not show enough: they
	// may write what git does not declare, and were taken to have done that.
	Assumed int `json:"assumed"`
	// Findings that no record explains, and those that one does.
	Findings  int `json:"findings"`
	Explained int `json:"explained"`
	// Malformed counts lines that are no events; Truncated says that the log ends in
	// the middle of one.
	Malformed int  `json:"malformed"`
	Truncated bool `json:"truncated,omitempty"`
	// From and To are the times of the first and the last write.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// Survey reads a log to its end and tells of what it found, in the order of the log; an
// error of found ends it. A line that is no event is passed over; a log in which no line
// is one is an error. The stats hold on an error too.
func (l *Log) Survey(ctx context.Context, source io.Reader, found func(Finding) error) (LogStats, error) {
	p, err := l.pass(found)
	if err != nil {
		return LogStats{}, err
	}
	workers := cmp.Or(l.Workers, 2)
	chunks := newChunks(source, workers+2)
	err = pump(ctx, chunks, p.court, workers, func(k *chunk) error {
		p.stats.Bytes = chunks.bytes.Load()
		return p.take(ctx, k)
	})
	p.stats.Bytes = chunks.bytes.Load()
	if err == nil {
		err = p.releaseAll()
	}
	if err != nil {
		return p.stats, fmt.Errorf("surveying the audit log: %w", err)
	}
	p.stats.Truncated = p.stats.Truncated || chunks.short
	return p.stats, p.foreign()
}

// pass is one run over one log.
type pass struct {
	*Log
	court      *court
	translator *Translator
	found      func(Finding) error
	first      *Problem
	waiting    waiting
	stats      LogStats
}

func (l *Log) pass(found func(Finding) error) (*pass, error) {
	court, err := newCourt(l.Policies, l.Install, l.Labels)
	if err != nil {
		return nil, err
	}
	return &pass{Log: l, court: court, translator: NewTranslator(l.Install, l.Remember), found: found}, nil
}

// foreign is the error of a log in which nothing is an event.
func (p *pass) foreign() error {
	switch {
	case p.stats.Events > 0:
		return nil
	case p.first == nil:
		return errors.New("the audit log is empty")
	}
	return fmt.Errorf("the audit log holds no event of audit.k8s.io/v1: line %d is %s", p.first.Line, p.first.Reason)
}

func (p *pass) take(ctx context.Context, k *chunk) error {
	for i := range k.out {
		if err := p.takeOne(&k.out[i]); err != nil {
			return err
		}
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if p.Progress != nil {
		p.Progress(p.stats)
	}
	return nil
}

func (p *pass) takeOne(s *sifted) error {
	if s.problem != nil {
		p.bad(s.problem)
		return nil
	}
	p.stats.Events++
	p.span(s.at)
	switch s.skip {
	case "":
	case SkipFailed, SkipRefused:
		p.stats.Failed++
		return nil
	default:
		p.stats.Reads++
		return nil
	}
	p.Known.claim(s.said.record)
	if err := p.until(s.at); err != nil {
		return err
	}
	switch {
	case s.dryRun:
		p.stats.Failed++
	case s.suspect:
		return p.judge(s)
	case s.answered:
		p.stats.Answered++
	default:
		p.stats.Exempt++
	}
	p.remember(s)
	return nil
}

func (p *pass) remember(s *sifted) {
	switch {
	case s.memo != nil:
		p.translator.learn(s.memo)
	case s.event != nil:
		p.translator.translate(Entry{Line: s.line, Event: s.event}, s.write)
	}
}

func (p *pass) bad(problem *Problem) {
	if p.first == nil {
		p.first = problem
	}
	if problem.Truncated {
		p.stats.Truncated = true
	} else {
		p.stats.Malformed++
	}
	if p.Problem != nil {
		p.Problem(problem)
	}
}

// judge asks the judge about each object that a request wrote.
func (p *pass) judge(s *sifted) error {
	attempts, skip := p.translator.translate(Entry{Line: s.line, Event: s.event}, s.write)
	if skip != "" {
		p.stats.Reads++
		return nil
	}
	p.stats.Judged++
	for i := range attempts {
		a := &attempts[i]
		if a.Request.DryRun || !p.asked(a) {
			continue
		}
		f, how := p.finding(s, a)
		switch how {
		case assumed:
			p.stats.Assumed++
		case bypassed:
			if err := p.hold(f, s.said.record); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pass) span(at time.Time) {
	if at.IsZero() {
		return
	}
	if p.stats.From.IsZero() || at.Before(p.stats.From) {
		p.stats.From = at
	}
	if at.After(p.stats.To) {
		p.stats.To = at
	}
}

// asked says whether an attempt is among what was asked for.
func (p *pass) asked(a *Attempt) bool {
	r := &a.Request
	return !(a.Time.Before(p.From) || !p.To.IsZero() && a.Time.After(p.To) || p.Namespace != "" && r.Namespace != p.Namespace)
}
