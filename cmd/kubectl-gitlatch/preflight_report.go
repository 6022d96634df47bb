package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/reporter/audit"
)

// severity says what a finding means for the install.
type severity string

const (
	severityBlocks severity = "Blocks" // it works today, and would not
	severityWarns  severity = "Warns"  // somebody has to decide
	severityNotes  severity = "Notes"  // to be known
)

func severities() []severity { return []severity{severityBlocks, severityWarns, severityNotes} }

// preflightCheck is what was looked at.
type preflightCheck string

const (
	checkVersion   preflightCheck = "Version"
	checkPlatform  preflightCheck = "Platform"
	checkAccounts  preflightCheck = "Accounts"
	checkManagers  preflightCheck = "Managers"
	checkPoses     preflightCheck = "Poses"
	checkWebhooks  preflightCheck = "Webhooks"
	checkUnguarded preflightCheck = "Unguarded"
	checkBackstop  preflightCheck = "Backstop"
)

func preflightChecks() []preflightCheck {
	return []preflightCheck{checkVersion, checkPlatform, checkAccounts, checkManagers, checkPoses, checkWebhooks, checkUnguarded, checkBackstop}
}

// preflightFinding is one thing to know, with what to do about it.
type preflightFinding struct {
	Severity severity       `json:"severity"`
	Check    preflightCheck `json:"check"`
	// Subject is who or what it is about.
	Subject string `json:"subject"`
	Message string `json:"message"`
	Next    string `json:"next"`
	// Objects, Kinds and Last are what a field manager wrote: how many, of which kinds, and
	// when last. Left out: it is about no field manager.
	Objects int       `json:"objects,omitempty"`
	Kinds   []string  `json:"kinds,omitempty"`
	Last    time.Time `json:"last,omitzero"`
}

// preflightReport is all that was found.
type preflightReport struct {
	Version string `json:"version"`
	// Platforms that were found, or named. Empty: none is known.
	Platforms []string `json:"platforms"`
	// Policies that were asked, as if each enforced, and where they are from.
	Policies []string           `json:"policies"`
	Findings []preflightFinding `json:"findings"`
	Totals   preflightTotals    `json:"totals"`
	// Incomplete: not all could be looked at. Then that nothing blocks says little.
	Incomplete bool `json:"incomplete"`
	// NotExamined lists what could not be looked at, and why.
	NotExamined []audit.NotExamined `json:"notExamined,omitempty"`
}

type preflightTotals struct {
	Blocks int `json:"blocks"`
	Warns  int `json:"warns"`
	Notes  int `json:"notes"`
	// Kinds and Objects whose managedFields were read.
	Kinds   int `json:"kinds"`
	Objects int `json:"objects"`
}

func (r *preflightReport) add(f preflightFinding) {
	r.Findings = append(r.Findings, f)
	switch f.Severity {
	case severityBlocks:
		r.Totals.Blocks++
	case severityWarns:
		r.Totals.Warns++
	default:
		r.Totals.Notes++
	}
}

// verdict is the exit code.
func (r *preflightReport) verdict() error {
	switch {
	case r.Totals.Blocks > 0:
		return &exitError{code: exitRefused}
	case r.Incomplete:
		return &exitError{code: exitIncomplete}
	}
	return nil
}

// finish puts the gravest first. A kind that nobody can list holds no answer back.
func (r *preflightReport) finish() {
	r.Incomplete = r.Incomplete || slices.ContainsFunc(r.NotExamined, func(n audit.NotExamined) bool { return n.Why != audit.NeverListed })
	slices.SortStableFunc(r.Findings, func(a, b preflightFinding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(severities(), a.Severity), slices.Index(severities(), b.Severity)),
			cmp.Compare(slices.Index(preflightChecks(), a.Check), slices.Index(preflightChecks(), b.Check)),
			strings.Compare(a.Subject, b.Subject), strings.Compare(a.Message, b.Message),
		)
	})
	if r.Findings == nil {
		r.Findings = []preflightFinding{}
	}
	if r.Platforms == nil {
		r.Platforms = []string{}
	}
}
