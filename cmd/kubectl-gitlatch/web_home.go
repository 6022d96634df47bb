package main

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/reporter/review"
	"github.com/gitlatch/gitlatch/reporter/signals"
)

type webHome struct {
	Problem string
	Signals []webSignal
	Gate    []fact
	Windows []webWindow
	Syncs   []webSync
}

type webSignal struct {
	Question, Number, Summary, Advice string
	Verdict                           signals.Verdict
	Evidence                          []string
}

type webWindow struct {
	Who, Target, Reason, Record, Left string
	Until                             time.Time
}

type webSync struct {
	Name, Ready, Commit, Message string
	Objects                      int
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	s.greet(r)
	asked := &situation{server: s.server, now: s.now, overdue: review.Overdue{}}
	report, err := asked.collect(r.Context(), signals.DefaultPeriod)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	v := webView{title: "Is git the only path?", template: "home", content: webHomeOf(report)}
	if report.Unreviewed.Waiting != nil {
		v.waiting = *report.Unreviewed.Waiting
	}
	s.show(w, r, v)
}

// greet asks for the user's name, for the head of the page. A page can do without.
func (s *site) greet(r *http.Request) {
	if _, err := s.who(r.Context()); err != nil {
		s.say("", err)
	}
}

func webHomeOf(r *signals.Report) *webHome {
	h := &webHome{Gate: webGate(r)}
	if len(r.Missing) > 0 {
		h.Problem = "Your rights don't show everything. Missing: " + strings.Join(r.Missing, "; ")
	}
	for i := range r.Signals {
		one := &r.Signals[i]
		h.Signals = append(h.Signals, webSignal{Question: one.Question, Number: webNumber(one), Summary: one.Summary,
			Advice: one.Advice, Verdict: one.Verdict, Evidence: one.Evidence})
	}
	for _, one := range r.Windows {
		h.Windows = append(h.Windows, webWindow{Who: one.User, Target: one.Target, Reason: one.Reason, Record: one.Record,
			Left: left(one.Until, r.At), Until: one.Until})
	}
	slices.SortStableFunc(h.Windows, func(a, b webWindow) int { return a.Until.Compare(b.Until) })
	for _, one := range r.Syncs {
		h.Syncs = append(h.Syncs, webSync{Name: one.Namespace + "/" + one.Name, Ready: one.State, Commit: cmp.Or(shortHash(one.Commit), "none"),
			Message: one.Message, Objects: one.Objects})
	}
	return h
}

// webNumber is a signal's number with the first word of its unit; the summary says the
// rest.
func webNumber(s *signals.Signal) string {
	if s.Number == nil {
		return "–"
	}
	number := strconv.FormatFloat(*s.Number, 'f', -1, 64)
	if _, fraction, ok := strings.Cut(number, "."); ok && len(fraction) > 1 {
		number = strconv.FormatFloat(*s.Number, 'f', 1, 64)
	}
	switch unit, _, _ := strings.Cut(s.Unit, " "); unit {
	case "percent":
		return number + " %"
	case "seconds":
		return number + " s"
	case "days":
		return number + " days"
	}
	return number
}

func webGate(r *signals.Report) []fact {
	e := &r.Enforcement
	facts := []fact{{"State", join(e.State, e.Why)}}
	for _, policy := range e.Policies {
		text := string(policy.Mode)
		if !policy.Ready {
			text = join(text, "not in force: "+cmp.Or(policy.Message, "the gate has not said that it took it"))
		}
		facts = append(facts, fact{"Policy " + policy.Name, join(text, withLabel("break-glass for", strings.Join(policy.BreakGlass, ", ")))})
	}
	if g := e.Gap; g != nil {
		facts = append(facts, fact{"Open gap", fmt.Sprintf("%s since %s (%s)", g.State, stamp(g.Since), g.Record)})
	}
	if g := e.Last; g != nil {
		text := fmt.Sprintf("%s from %s to %s", g.State, stamp(g.Since), stamp(*g.Until))
		if g.Audited {
			text = join(text, fmt.Sprintf("reviewed for bypasses: %d found", g.Findings))
		} else {
			text = join(text, "not yet reviewed for bypasses")
		}
		facts = append(facts, fact{"Last gap", text + " (" + g.Record + ")"})
	}
	switch u := &r.Unreviewed; {
	case u.Waiting == nil:
		facts = append(facts, fact{"Review", "not known"})
	case *u.Waiting == 0:
		facts = append(facts, fact{"Review", "nothing waits"})
	default:
		facts = append(facts, fact{"Review", fmt.Sprintf("%d waiting, %d of them overdue, the oldest since %s", *u.Waiting, *u.Overdue, stamp(*u.Since))})
	}
	return facts
}
