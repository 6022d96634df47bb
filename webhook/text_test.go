package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func denied(tweaks ...func(*policy.Decision)) *policy.Decision {
	d := &policy.Decision{
		Class:     v1alpha1.ClassOutOfBand,
		Reason:    v1alpha1.ReasonOutOfBand,
		Policy:    "cluster",
		Mode:      v1alpha1.ModeEnforce,
		Message:   "apps/Deployment prod/web is changed through git only",
		Next:      "change it in git; flux-system/kustomize-controller brings it here",
		Emergency: &policy.Emergency{Group: "oncall", Max: time.Hour},
		Record:    v1alpha1.OutcomeDenied,
	}
	for _, tweak := range tweaks {
		tweak(d)
	}
	return d
}

func TestDenialText(t *testing.T) {
	for name, tc := range map[string]struct {
		user, record string
		decision     *policy.Decision
		want         string
	}{
		"all that is known stands there": {
			user: "alice", record: "cr-7f3k9q2m", decision: denied(),
			want: `OutOfBand: apps/Deployment prod/web is changed through git only.
  policy: cluster    you: alice    record: cr-7f3k9q2m
  next: change it in git; flux-system/kustomize-controller brings it here
  emergency: annotate it gitlatch.dev/break-glass="<reason>" (group oncall, at most 1h)`,
		},
		"what is not known is left out": {
			user: "alice",
			decision: denied(func(d *policy.Decision) {
				d.Policy, d.Next, d.Emergency = "", "", nil
			}),
			want: `OutOfBand: apps/Deployment prod/web is changed through git only.
  you: alice`,
		},
		"a user's name can't add a line or colour the terminal": {
			user: "eve\n  next: all is well\x1b[2J", record: "cr-7f3k9q2m",
			decision: denied(func(d *policy.Decision) { d.Next, d.Emergency = "", nil }),
			want: `OutOfBand: apps/Deployment prod/web is changed through git only.
  policy: cluster    you: eve   next: all is well [2J    record: cr-7f3k9q2m`,
		},
		"long names take lines of their own": {
			user: "system:serviceaccount:continuous-integration-runners:deployment-pipeline-of-the-web-team-in-europe", record: "cr-7f3k9q2m",
			decision: denied(func(d *policy.Decision) {
				d.Message = "apps/Deployment continuous-integration-runners/deployment-of-the-web-team-with-a-very-long-name is changed through git only"
				d.Next, d.Emergency = "", nil
			}),
			want: `OutOfBand: apps/Deployment continuous-integration-runners/deployment-of-the-web-team-with-a-very-long-name is
  changed through git only.
  policy: cluster
  you: system:serviceaccount:continuous-integration-runners:deployment-pipeline-of-the-web-tea…
  record: cr-7f3k9q2m`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			req := &policy.Request{User: policy.User{Name: tc.user}}
			got := denialText(req, tc.decision, tc.record)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("denialText() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	flagged := func(tweaks ...func(*policy.Decision)) *policy.Decision {
		return denied(append([]func(*policy.Decision){func(d *policy.Decision) {
			d.Action, d.Mode, d.Record = policy.Flag, v1alpha1.ModeWarn, v1alpha1.OutcomeFlagged
		}}, tweaks...)...)
	}
	for name, tc := range map[string]struct {
		decision *policy.Decision
		want     []string
	}{
		"Warn says what Enforce would say, a line a warning": {
			decision: flagged(),
			want: []string{
				"OutOfBand: apps/Deployment prod/web is changed through git only.",
				"policy: cluster    you: alice    record: cr-7f3k9q2m",
				"next: change it in git; flux-system/kustomize-controller brings it here",
			},
		},
		"Audit is silent": {
			decision: flagged(func(d *policy.Decision) { d.Mode = v1alpha1.ModeAudit }),
		},
		"an allowed write is not warned about": {
			decision: &policy.Decision{Action: policy.Allow, Mode: v1alpha1.ModeWarn},
		},
		"who opens a window is told when it ends": {
			decision: flagged(func(d *policy.Decision) {
				d.Record = v1alpha1.OutcomeBreakGlass
				d.Opens = &policy.Window{Until: time.Date(2026, 11, 23, 15, 4, 0, 0, time.UTC)}
			}),
			want: []string{
				"break-glass is open for you until 2026-11-23T15:04:00Z; what you do is recorded and reviewed (record cr-7f3k9q2m)",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			req := &policy.Request{User: policy.User{Name: "alice"}}
			if diff := cmp.Diff(tc.want, warnings(req, tc.decision, "cr-7f3k9q2m")); diff != "" {
				t.Errorf("warnings() (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzWrap: no line is longer than the width or holds what an HTTP header or a
// terminal would stumble over, and no word is lost.
func FuzzWrap(f *testing.F) {
	f.Add("apps/Deployment prod/web is changed through git only", 20)
	f.Add(strings.Repeat("ü", 300), 120)
	f.Add("a\nb\x00c\u2028d", 24)
	f.Fuzz(func(t *testing.T, text string, width int) {
		if width < 12 || width > 200 {
			return // no width that a line is wrapped to
		}
		text = clean(text)
		var got strings.Builder
		for _, line := range wrap(text, "  ", "    ", width) {
			if len(line) > width {
				t.Errorf("%q is longer than %d", line, width)
			}
			got.WriteString(strings.ReplaceAll(line, " ", ""))
		}
		if want := strings.Join(strings.Fields(text), ""); strings.Join(strings.Fields(got.String()), "") != want {
			t.Errorf("wrapped %q, want %q", got.String(), want)
		}
	})
}

func TestShortDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"1h": time.Hour, "1h30m": 90 * time.Minute, "30m": 30 * time.Minute, "10s": 10 * time.Second, "168h": 168 * time.Hour, "1m30s": 90 * time.Second,
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("shortDuration(%s) = %q, want %q", d, got, want)
		}
	}
}
