package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// notice is what is said of one record, whatever the receiver's language. Every text in
// it is one line of bounded length, and holds no value of a changed field.
type notice struct {
	id       string // the same whenever the same is said again
	record   string
	outcome  v1alpha1.Outcome
	reason   string
	alert    string // name of the alert
	severity string
	cluster  string

	namespace string
	user      string
	target    string
	title     string
	lines     []said
	review    string // the command
	began     time.Time
	ended     time.Time // of a gap; zero while it is open
	gap       bool
	firstTold bool // it was told of before, and this is its end
}

// said is one labelled line.
type said struct{ label, text string }

const (
	longestName = 300
	longestText = 400
	mostPaths   = 5
)

// describe says who, what, where, why, and how to review it.
func describe(rec *v1alpha1.ChangeRecord, cluster string, ends bool) notice {
	s := &rec.Spec
	n := notice{
		id: string(cmp.Or(string(rec.UID), rec.Name)), record: rec.Name, outcome: s.Outcome, reason: oneLine(string(s.Reason), 64),
		alert: alertName(rec), severity: severity(s.Outcome), cluster: oneLine(cluster, 100),
		namespace: oneLine(s.Request.Namespace, 63), user: userOf(rec), target: targetOf(rec),
		began: record.Seen(rec), gap: s.Gap != nil, firstTold: ends, review: reviewCommand(rec),
	}
	if s.Gap != nil {
		n.began = s.Gap.Since.Time
		if end := rec.Status.Gap; end != nil {
			n.ended = end.At.Time
		}
	}
	if ends {
		n.id += "/end"
	}
	n.title = title(rec, &n)
	n.lines = n.all(rec)
	return n
}

func (n *notice) all(rec *v1alpha1.ChangeRecord) []said {
	var lines []said
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, said{label, text})
		}
	}
	s := &rec.Spec
	add("who", join(n.user, withWord("impersonated by", impersonator(s)), withWord("groups", oneLine(strings.Join(s.Requester.Groups, " "), 120))))
	add("what", join(strings.ToLower(oneLine(s.Request.Operation, 32)), changed(s), withWord("manager", oneLine(s.Request.FieldManager, 100))))
	add("where", join(n.target, withWord("cluster", n.cluster)))
	add("when", when(rec, n))
	if s.BreakGlass != nil {
		add("emergency", join(oneLine(s.BreakGlass.Reason, longestText), "until "+stamp(s.BreakGlass.Until.Time)))
	}
	add("why", join(n.reason, withWord("policy", oneLine(s.Policy, longestName)), oneLine(s.Message, longestText)))
	add("witness", join(string(s.Evidence), string(s.Confidence)))
	add("review", n.review)
	return lines
}

// title says it in one sentence.
func title(rec *v1alpha1.ChangeRecord, n *notice) string {
	who, verb := cmp.Or(n.user, "somebody"), cmp.Or(strings.ToLower(oneLine(rec.Spec.Request.Operation, 32)), "change")
	what := cmp.Or(n.target, "the cluster")
	if rec.Spec.Gap != nil {
		return gapTitle(rec)
	}
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeDenied:
		return fmt.Sprintf("Denied: %s tried to %s %s around git", who, verb, what)
	case v1alpha1.OutcomeFlagged:
		return fmt.Sprintf("Flagged: %s made a change around git: %s %s", who, verb, what)
	case v1alpha1.OutcomeBreakGlass:
		return fmt.Sprintf("Break-glass: %s used an emergency exception: %s %s", who, verb, what)
	case v1alpha1.OutcomeDrift:
		return fmt.Sprintf("Drift: %s was not as git declares it", what)
	case v1alpha1.OutcomeBypass:
		return fmt.Sprintf("Bypass: a change got past the gate: %s: %s %s", who, verb, what)
	case v1alpha1.OutcomeTampered:
		return fmt.Sprintf("Tampered: the gate itself was changed: %s: %s %s", who, verb, what)
	}
	return fmt.Sprintf("%s: %s: %s %s", oneLine(string(rec.Spec.Outcome), 32), who, verb, what)
}

func gapTitle(rec *v1alpha1.ChangeRecord) string {
	gap, end := rec.Spec.Gap, rec.Status.Gap
	state := fmt.Sprintf("%s instead of %s", strings.ToLower(string(gap.State)), strings.ToLower(string(gap.Expected)))
	if cause := oneLine(gap.Cause, 64); cause != "" {
		state += " (" + cause + ")"
	}
	if end == nil {
		return fmt.Sprintf("Gap: the gate has been %s since %s", state, stamp(gap.Since.Time))
	}
	return fmt.Sprintf("Gap ended: the gate was %s for %s", state, end.At.Sub(gap.Since.Time).Round(time.Second))
}

// changed lists paths, never values.
func changed(s *v1alpha1.ChangeRecordSpec) string {
	var paths []string
	for i, change := range s.Changes {
		if i == mostPaths {
			break
		}
		paths = append(paths, oneLine(change.Path, 120))
	}
	if more := len(s.Changes) + int(s.ChangesOmitted) - len(paths); more > 0 && len(paths) > 0 {
		paths = append(paths, fmt.Sprintf("%d more", more))
	}
	return strings.Join(paths, " ")
}

func when(rec *v1alpha1.ChangeRecord, n *notice) string {
	text := stamp(n.began)
	if !n.ended.IsZero() {
		text += " to " + stamp(n.ended)
	}
	if count := record.Attempts(rec); count > 1 {
		text = join(text, fmt.Sprintf("%d times", count))
	}
	return text
}

// reviewCommand is for records that wait for a verdict `review`, for others `records`.
func reviewCommand(rec *v1alpha1.ChangeRecord) string {
	if record.Waits(rec) {
		return "kubectl gitlatch review show " + rec.Name
	}
	return "kubectl gitlatch records show " + rec.Name
}

func userOf(rec *v1alpha1.ChangeRecord) string {
	return oneLine(rec.Spec.Requester.Username, longestName)
}

func impersonator(s *v1alpha1.ChangeRecordSpec) string {
	if s.Origin == nil {
		return ""
	}
	return oneLine(s.Origin.Impersonator, longestName)
}

// targetOf names the target the way that a denial does: apps/Deployment prod/web.
func targetOf(rec *v1alpha1.ChangeRecord) string {
	r := &rec.Spec.Request
	what := cmp.Or(r.Kind, r.Resource)
	if r.Subresource != "" {
		what = r.Resource + "/" + r.Subresource
	}
	if r.Group != "" {
		what = r.Group + "/" + what
	}
	where := cmp.Or(rec.Status.Name, r.Name)
	if r.Namespace != "" && where != "" && !(r.Group == "" && r.Resource == "namespaces") {
		where = r.Namespace + "/" + where
	}
	return oneLine(strings.TrimSpace(what+" "+where), longestName)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func join(parts ...string) string {
	var said []string
	for _, part := range parts {
		if part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, "; ")
}

func withWord(word, text string) string {
	if text == "" {
		return ""
	}
	return word + " " + text
}
