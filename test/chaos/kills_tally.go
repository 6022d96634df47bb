package main

import (
	"fmt"
	"time"
)

// tallied is what came of the kills of one failure policy, or of all.
type tallied struct {
	under                                                                              string // the failure policy; empty: all
	asked, kills, writes, admitted, denied, records, windows, failOpens, found, logged int
	openCalls                                                                          float64 // as the API server counts
	// What must not be: writes that were admitted and of which nobody knows, denials without a record, writes with two
	// records, writes by a window that had ended, and what the look that ends every scenario finds.
	unknown, undenied, doubled, late, past []string
	took                                   time.Duration
	deaths                                 [killed][]time.Time // of each replica
}

func (t *tallied) add(o *tallied) {
	t.asked, t.kills, t.writes, t.admitted = t.asked+o.asked, t.kills+o.kills, t.writes+o.writes, t.admitted+o.admitted
	t.denied, t.records, t.windows, t.took = t.denied+o.denied, t.records+o.records, t.windows+o.windows, t.took+o.took
	t.failOpens, t.found, t.logged, t.openCalls = t.failOpens+o.failOpens, t.found+o.found, t.logged+o.logged, t.openCalls+o.openCalls
	t.unknown, t.undenied = append(t.unknown, o.unknown...), append(t.undenied, o.undenied...)
	t.doubled, t.late = append(t.doubled, o.doubled...), append(t.late, o.late...)
	t.past = append(t.past, o.past...)
}

func (t *tallied) tell(c *chaos) {
	under := ""
	if t.under != "" {
		under = t.under + ": "
	}
	c.figure(under+"kills", float64(t.kills), "", fmt.Sprintf(">= %d", t.asked), t.kills >= t.asked)
	for _, f := range []struct {
		name string
		n    int
	}{
		{"writes of persons", t.writes}, {"admitted", t.admitted}, {"denied", t.denied}, {"windows opened", t.windows}, {"records", t.records},
	} {
		c.figure(under+f.name, float64(f.n), "", "> 0: or nothing was shown", f.n > 0)
	}
	// Under Fail nothing is: a call without an answer is no admission.
	open := ""
	if t.under == "Fail" {
		open = "none"
	}
	c.figure(under+"calls that failed open, as the API server counts", t.openCalls, "", open, t.openCalls == 0)
	c.figure(under+"admitted though a webhook did not answer", float64(t.failOpens), "", open, t.failOpens == 0)
	c.figure(under+"of these unheard in both calls, under Warn or by who may break glass, and found by the review", float64(t.found), "", open, t.found == 0)
	c.none(under+"admitted without a record", t.unknown)
	c.figure(under+"denied, and in the log alone of a replica that was killed within "+retried.String(), float64(t.logged), "", "", true)
	c.none(under+"denied without a record", t.undenied)
	c.none(under+"recorded twice", t.doubled)
	c.none(under+"admitted by a window that had ended", t.late)
	c.none(under+"writes past the gate", t.past)
	c.took(under+"time of killing", t.took, "", true)
}
