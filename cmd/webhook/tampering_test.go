package main

import (
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/webhook/registration"
)

// TestTheTimeOfTampering stands in the message where the record's own time is another.
func TestTheTimeOfTampering(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	what := registration.Tampering{Kind: "MutatingWebhookConfiguration", Name: "gitlatch", What: "gate.gitlatch.dev rules", Manager: "kubectl-edit", Time: at}
	for name, tc := range map[string]struct {
		now  time.Time
		time time.Time
		want string
	}{
		"restored at once":               {at.Add(time.Second), at, "MutatingWebhookConfiguration gitlatch: gate.gitlatch.dev rules"},
		"found an hour later":            {at.Add(time.Hour), at, "MutatingWebhookConfiguration gitlatch: gate.gitlatch.dev rules, at 2026-03-02T12:00:00Z"},
		"nothing is known of the writer": {at.Add(time.Hour), time.Time{}, "MutatingWebhookConfiguration gitlatch: gate.gitlatch.dev rules"},
	} {
		t.Run(name, func(t *testing.T) {
			what.Time = tc.time
			if got := messageOf(what, tc.now); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
