package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const aRecord = `{apiVersion: gitlatch.dev/v1alpha1, kind: ChangeRecord, metadata: {name: cr-1}, spec: {requester: {username: bob}}, status: {count: 1}}`

func onRecord(more ...tweak) []tweak {
	return append([]tweak{of(v1alpha1.Group, "v1alpha1", "changerecords", "ChangeRecord"), named("", "cr-1"), objects(aRecord), sub("status")}, more...)
}

// said is a comment as it is stored; said("", text) is one as it is sent.
func said(author, text string) map[string]any {
	if author == "" {
		return map[string]any{"text": text}
	}
	return map[string]any{"author": author, "text": text, "at": "2026-05-04T11:00:00Z"}
}

// review is one with the fields in pairs, and comments.
func review(comments []any, pairs ...string) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	if len(comments) > 0 {
		out["comments"] = comments
	}
	return out
}

func refusedReview(reason v1alpha1.Reason, message, next string) Decision {
	return Decision{
		Class: v1alpha1.ClassReview, Reason: reason, Mode: v1alpha1.ModeEnforce, Record: v1alpha1.OutcomeDenied,
		Message: "gitlatch.dev/changerecords/status cr-1 " + message, Next: next,
	}
}

func TestRecordsAreReviewedBySomebodyElse(t *testing.T) {
	accept := set("status|review", review(nil, "verdict", "Approved"))
	rejected := review([]any{said("bob", "sorry")}, "verdict", "Rejected", "reviewer", "carol", "at", "2026-05-04T11:00:00Z")
	with := func(base map[string]any, comments ...any) map[string]any {
		out := map[string]any{"comments": comments}
		for k, v := range base {
			if k != "comments" {
				out[k] = v
			}
		}
		return out
	}
	bob := by(User{Name: "bob"})
	allow := Decision{Action: Allow, Class: v1alpha1.ClassReview}
	self := refusedReview(v1alpha1.ReasonSelfReview, "records your own change, which somebody else reviews", "ask a colleague to review it; you may comment on it")
	taken := refusedReview(v1alpha1.ReasonInvalidReview, "has a verdict, which can't be taken back", "give another verdict: it stands instead, and this one is kept as a comment")
	changed := refusedReview(v1alpha1.ReasonInvalidReview, "has comments, which can't be changed", "read the record again, and add yours after the last in status.review.comments")
	bare := refusedReview(v1alpha1.ReasonInvalidReview, "was sent a comment on a verdict without the verdict", "add it to status.review.comments, or set status.review.verdict")
	many := refusedReview(v1alpha1.ReasonInvalidReview, "was sent 5 comments at once, and takes 4", "say it in fewer")
	full := refusedReview(v1alpha1.ReasonInvalidReview, "has room for 24 comments, and no more", "say it with a verdict, or elsewhere")
	const alone = " is written by Gitlatch alone; a reviewer may set status.review"
	no := builtInDenied("gitlatch.dev/changerecords/status cr-1" + alone).with(next(""))
	whole := builtInDenied("gitlatch.dev/ChangeRecord cr-1" + alone).with(next(""))
	window := Window{Record: "cr-9", User: "admin", Scope: v1alpha1.WindowObject, Group: v1alpha1.Group, Resource: "changerecords", Name: "cr-1", Until: noon().Add(time.Minute)}
	var twentyFour []any
	for range 24 {
		twentyFour = append(twentyFour, said("carol", "hm"))
	}
	for _, c := range []ruleCase{
		{name: "alice reviews", when: onRecord(accept), want: allow},
		{name: "alice reviews what has no status yet", when: onRecord(was("status", nil), set("status", map[string]any{}), accept), want: allow},
		{name: "alice reviews after carol", when: onRecord(was("status|review", rejected), set("status|review", with(review(nil, "verdict", "Approved"), said("bob", "sorry")))), want: allow},
		{name: "alice reviews after carol, without what bob said", when: onRecord(was("status|review", rejected), accept), want: changed},
		{name: "bob reviews his own", when: onRecord(accept, bob), want: self},
		{name: "bob reviews his own as carol", when: onRecord(bob, set("status|review", review(nil, "verdict", "Approved", "reviewer", "carol"))), want: self},
		{name: "bob overrules carol on his own", when: onRecord(bob, was("status|review", rejected), set("status|review", with(review(nil, "verdict", "Approved", "reviewer", "carol", "at", "2026-05-04T11:00:00Z"), said("bob", "sorry")))), want: self},
		{name: "bob puts words into carol's mouth", when: onRecord(bob, was("status|review", rejected), set("status|review", with(rejected, said("bob", "sorry"))), set("status|review|comment", "never mind")), want: self},
		{name: "bob, who posed as somebody else, reviews his own", when: onRecord(accept, bob, both("spec|requester|username", "dave"), both("spec|origin", map[string]any{"impersonator": "bob"})), want: self},
		{name: "bob reviews what a field manager did of whom no user is known", when: onRecord(accept, bob, both("spec|requester", nil)), want: allow},
		{name: "a user without a name reviews what no user did", when: onRecord(accept, by(User{}), both("spec|requester", nil)), want: allow},
		{name: "bob comments on his own", when: onRecord(bob, set("status|review", review([]any{said("", "sorry")}))), want: allow},
		{name: "bob comments on his own after the verdict", when: onRecord(bob, was("status|review", rejected), set("status|review", with(rejected, said("bob", "sorry"), said("", "undone")))), want: allow},
		{name: "bob signs his own by a comment, which nobody has signed", when: onRecord(bob, was("status|review", review(nil, "verdict", "Approved")), set("status|review", review([]any{said("", "fine")}, "verdict", "Approved"))), want: self},
		{name: "alice edits what bob said", when: onRecord(was("status|review", rejected), set("status|review", with(rejected, said("bob", "not sorry")))), want: changed},
		{name: "alice drops what bob said", when: onRecord(was("status|review", rejected), set("status|review", with(rejected))), want: changed},
		{name: "alice comments first", when: onRecord(was("status|review", rejected), set("status|review", with(rejected, said("", "first"), said("bob", "sorry")))), want: changed},
		{name: "alice takes the verdict back", when: onRecord(was("status|review", rejected), set("status|review", review([]any{said("bob", "sorry")}))), want: taken},
		{name: "alice blanks the verdict", when: onRecord(was("status|review", rejected), set("status|review", with(review(nil, "verdict", ""), said("bob", "sorry")))), want: taken},
		{name: "alice takes the review away", when: onRecord(was("status|review", rejected)), want: taken},
		{name: "alice takes the comments away", when: onRecord(was("status|review", review([]any{said("bob", "sorry")}))), want: changed},
		{name: "alice comments on a verdict that she does not give", when: onRecord(set("status|review", review(nil, "comment", "fine"))), want: bare},
		{name: "alice says four things at once", when: onRecord(set("status|review", review([]any{said("", "a"), said("", "b"), said("", "c"), said("", "d")}))), want: allow},
		{name: "alice says five things at once", when: onRecord(set("status|review", review([]any{said("", "a"), said("", "b"), said("", "c"), said("", "d"), said("", "e")}))), want: many},
		{name: "alice says the twenty-fifth thing", when: onRecord(was("status|review", review(twentyFour)), set("status|review", review(append(twentyFour[:24:24], said("", "too"))))), want: full},
		{name: "alice gives a verdict after twenty-four comments", when: onRecord(was("status|review", review(twentyFour)), set("status|review", review(twentyFour, "verdict", "Approved"))), want: allow},
		{name: "alice reviews and changes the count", when: onRecord(accept, set("status|count", int64(0))), want: no},
		{name: "alice reviews and closes", when: onRecord(accept, set("status|phase", "Closed")), want: no},
		{name: "alice reviews and changes who it was", when: onRecord(accept, set("spec|requester|username", "carol")), want: no},
		{name: "alice reviews and labels", when: onRecord(accept, set("metadata|labels|x", "y")), want: no},
		{name: "alice reviews by the main resource", when: onRecord(accept, sub("")), want: whole},
		{name: "alice writes a record", when: onRecord(sub(""), creates(aRecord)), want: whole},
		{name: "alice deletes a record", when: onRecord(sub(""), deletes), want: whole},
		{name: "the sync deletes a record", when: onRecord(sub(""), deletes, by(fluxPod())), want: whole},
		{name: "system:masters deletes one inside a window", when: onRecord(sub(""), deletes, by(admin()), facts(authorized), windows(window)),
			want: broken("gitlatch.dev/ChangeRecord cr-1 is changed under break-glass", &window, func(d *Decision) { d.Policy = "" })},
		{name: "system:masters reviews their own inside a window", when: onRecord(accept, by(admin()), both("spec|requester|username", "admin"), facts(authorized), windows(window)), want: self},
		{name: "the webhook's pod writes the status", when: onRecord(set("status|count", int64(2)), by(webhookPod())), want: allowed(v1alpha1.ClassOwn, func(d *Decision) { d.Policy = "" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(c.when...)
			if diff := cmp.Diff(c.want, s.decide(t)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if c.want.Action == Deny && s.req.User.Name == "alice" {
				if diff := cmp.Diff(c.want, Decide(s.req, nil, s.facts)); diff != "" {
					t.Errorf("with no policy (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// What the mutating call writes is what the validating call takes, whatever was sent.
func TestAReviewIsSignedByWhoMadeIt(t *testing.T) {
	const now, before = "2026-05-04T12:00:00Z", "2026-05-04T11:00:00Z"
	mine := func(text string) map[string]any { return map[string]any{"author": "alice", "text": text, "at": now} }
	long := strings.Repeat("é", 4096)
	for _, c := range []struct {
		name           string
		old, sent, out map[string]any
	}{
		{"a verdict", nil, review(nil, "verdict", "Approved"), review(nil, "verdict", "Approved", "reviewer", "alice", "at", now)},
		{"a verdict as carol", nil, review(nil, "verdict", "Approved", "comment", "fine", "reviewer", "carol", "at", "2001-01-01T00:00:00Z"),
			review(nil, "verdict", "Approved", "comment", "fine", "reviewer", "alice", "at", now)},
		{"a comment as carol", nil, review([]any{said("carol", "hm"), said("", "ah")}), review([]any{mine("hm"), mine("ah")})},
		{"a comment under a reviewer who gave no verdict", nil, review([]any{said("", "hm")}, "reviewer", "carol", "at", before), review([]any{mine("hm")})},
		{"a comment after carol's verdict", review(nil, "verdict", "Rejected", "reviewer", "carol", "at", before),
			review([]any{said("", "hm")}, "verdict", "Rejected", "reviewer", "carol", "at", before),
			review([]any{mine("hm")}, "verdict", "Rejected", "reviewer", "carol", "at", before)},
		{"a verdict instead of carol's, with a comment", review([]any{said("bob", "sorry")}, "verdict", "Rejected", "reviewer", "carol", "comment", "why?", "at", before),
			review([]any{said("bob", "sorry"), said("", "we talked")}, "verdict", "Approved", "reviewer", "carol", "at", before),
			review([]any{said("bob", "sorry"), said("carol", "Rejected: why?"), mine("we talked")}, "verdict", "Approved", "reviewer", "alice", "at", now)},
		{"the same verdict as carol's", review(nil, "verdict", "Approved", "reviewer", "carol", "at", before), review(nil, "verdict", "Approved"),
			review([]any{said("carol", "Approved")}, "verdict", "Approved", "reviewer", "alice", "at", now)},
		{"carol's verdict under alice's name", review(nil, "verdict", "Approved", "reviewer", "carol", "at", before), review(nil, "verdict", "Approved", "reviewer", "alice", "at", before),
			review([]any{said("carol", "Approved")}, "verdict", "Approved", "reviewer", "alice", "at", now)},
		{"a verdict instead of one with a long comment", review(nil, "verdict", "Rejected", "reviewer", "carol", "comment", long, "at", before), review(nil, "verdict", "Approved"),
			review([]any{said("carol", "Rejected: "+long[:2000]+"…")}, "verdict", "Approved", "reviewer", "alice", "at", now)},
		{"a verdict that nobody has signed", review(nil, "verdict", "Approved"), review(nil, "verdict", "Approved"),
			review([]any{map[string]any{"text": "Approved"}}, "verdict", "Approved", "reviewer", "alice", "at", now)},
		{"nothing new", review(nil, "verdict", "Approved", "reviewer", "carol", "at", before), review(nil, "verdict", "Approved", "reviewer", "carol", "at", before),
			review(nil, "verdict", "Approved", "reviewer", "carol", "at", before)},
		{"what no schema takes", nil, review([]any{"hm"}), review([]any{"hm"})},
	} {
		t.Run(c.name, func(t *testing.T) {
			when := onRecord()
			if c.old != nil {
				when = append(when, was("status|review", c.old))
			}
			s := newScene(append(when, set("status|review", c.sent))...)
			sent, err := json.Marshal(s.req.Object)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.decide(t); got.Action != Allow {
				t.Fatalf("%s: %s", got.Action, got.Message)
			}
			for range 2 { // the API server may come again with what was written
				got, ok := SignedReview(s.req, s.facts.Now)
				if diff := cmp.Diff(c.out, got); diff != "" || !ok {
					t.Fatalf("signed: %t (-want +got):\n%s", ok, diff)
				}
				if again, err := json.Marshal(s.req.Object); err != nil || string(again) != string(sent) {
					t.Fatalf("the request changed from %s to %s (%v)", sent, again, err)
				}
				set("status|review", got)(s)
				if sent, err = json.Marshal(s.req.Object); err != nil {
					t.Fatal(err)
				}
			}
			s.req.Final = true
			if got, valid := s.decide(t), c.name != "what no schema takes"; (got.Action == Allow) != valid {
				t.Errorf("the validating call: %s: %s", got.Action, got.Message)
			}
		})
	}
}

// If what is new does not bear the requester's name and the time in the final call, the
// mutating one was not made, and nobody signed.
func TestAReviewThatNobodySignedIsRefused(t *testing.T) {
	const now, before = "2026-05-04T12:00:00Z", "2026-05-04T11:00:00Z"
	carols := review(nil, "verdict", "Rejected", "reviewer", "carol", "at", before)
	mine := func(at string) []any { return []any{map[string]any{"author": "alice", "text": "hm", "at": at}} }
	for _, c := range []struct {
		name     string
		old, is  map[string]any
		wantPass bool
	}{
		{"signed", nil, review(nil, "verdict", "Approved", "reviewer", "alice", "at", now), true},
		{"signed by a replica whose clock is behind", nil, review(nil, "verdict", "Approved", "reviewer", "alice", "at", "2026-05-04T11:56:00Z"), true},
		{"by bob", nil, review(nil, "verdict", "Approved", "reviewer", "bob", "at", now), false},
		{"by nobody", nil, review(nil, "verdict", "Approved", "at", now), false},
		{"at no time", nil, review(nil, "verdict", "Approved", "reviewer", "alice"), false},
		{"at another time", nil, review(nil, "verdict", "Approved", "reviewer", "alice", "at", before), false},
		{"a reviewer without a verdict", nil, review(mine(now), "reviewer", "alice"), false},
		{"a comment", nil, review(mine(now)), true},
		{"a comment of bob's", nil, review([]any{map[string]any{"author": "bob", "text": "hm", "at": now}}), false},
		{"a comment of another time", nil, review(mine(before)), false},
		{"a comment after carol's verdict", carols, review(mine(now), "verdict", "Rejected", "reviewer", "carol", "at", before), true},
		{"instead of carol's, which is kept", carols, review([]any{said("carol", "Rejected")}, "verdict", "Approved", "reviewer", "alice", "at", now), true},
		{"instead of carol's, which is lost", carols, review(nil, "verdict", "Approved", "reviewer", "alice", "at", now), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			when := onRecord(request(func(r *Request) { r.Final = true }))
			if c.old != nil {
				when = append(when, was("status|review", c.old))
			}
			want := builtInDenied("gitlatch.dev/changerecords/status cr-1 is written by Gitlatch alone; a reviewer may set status.review").with(next(""))
			if c.wantPass {
				want = Decision{Action: Allow, Class: v1alpha1.ClassReview}
			}
			if diff := cmp.Diff(want, newScene(append(when, set("status|review", c.is))...).decide(t)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}
