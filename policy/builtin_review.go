package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
review: anybody whom RBAC lets may set status.review of a record, and only that.
docs/decisions/0024 says why it is as it is.

A verdict is given by somebody else than whoever made the change, under their own name
and the time of the request. It stands until somebody gives another, and is then kept
among the comments. Comments are added, by the requester too, and never changed.

Allowed: bob approves what alice did; alice comments on it; carol rejects it after all.
Not allowed: alice approves it; bob takes his verdict back, signs as carol, edits what
alice said.
*/
func (q *question) review() (Decision, bool) {
	r := q.req
	old, is := child(r.Old, "status", "review"), child(r.Object, "status", "review")
	if r.Old == nil || r.Object == nil || old == nil && is == nil ||
		!sameBut(r.Old, r.Object, bookkeeping().plus("status", "review")) {
		return Decision{}, false
	}
	s := reviewing(old, is)
	if wrong, next := s.wrong(); wrong != "" {
		return q.noReview(v1alpha1.ReasonInvalidReview, wrong, next), true
	}
	if s.ruled && changedBy(r.Old, r.User.Name) {
		return q.noReview(v1alpha1.ReasonSelfReview, "records your own change, which somebody else reviews",
			"ask a colleague to review it; you may comment on it"), true
	}
	if r.Final && !s.signed(r.User.Name, q.facts.Now) {
		return Decision{}, false // the mutating call, which signs for them, was not made
	}
	return Decision{Action: Allow, Class: v1alpha1.ClassReview}, true
}

func (q *question) noReview(reason v1alpha1.Reason, wrong, next string) Decision {
	return Decision{
		Class: v1alpha1.ClassReview, Reason: reason, Mode: v1alpha1.ModeEnforce,
		Message: q.req.Target() + " " + wrong, Next: next, Record: v1alpha1.OutcomeDenied,
	}
}

// changedBy says that a record is of this user's doing: they made the request, or had it
// made under another name. A record that knows no user is nobody's own.
func changedBy(rec map[string]any, user string) bool {
	requester, origin := child(rec, "spec", "requester"), child(rec, "spec", "origin")
	return user != "" && (text(requester, "username") == user || text(origin, "impersonator") == user)
}

const (
	// maxNewComments is how many comments one request may add.
	maxNewComments = 4
	// maxSaid is how many comments a record takes. The schema has room for eight more:
	// the verdicts that were given before the last.
	maxSaid = 24
	// maxFormer is how much of a former verdict's comment is kept, in characters.
	maxFormer = 1000
	// clocks is how far those of two replicas may be apart.
	clocks = 5 * time.Minute
)

// reviewed is what a request does to a review.
type reviewed struct {
	old, is map[string]any
	ruled   bool  // a verdict is given
	kept    bool  // every comment that was there is there, as it was
	added   []any // the comments after those
	former  map[string]any
	filed   bool // the former verdict is among the comments already: the call came again
}

func reviewing(old, is map[string]any) reviewed {
	s := reviewed{old: old, is: is}
	for _, field := range []string{"verdict", "reviewer", "comment", "at"} {
		s.ruled = s.ruled || text(old, field) != text(is, field)
	}
	// A verdict that nobody signed, of a time without a gate, is whoever's writes now.
	s.ruled = (s.ruled || text(is, "reviewer") == "") && text(is, "verdict") != ""
	was, said := list(old, "comments"), list(is, "comments")
	if s.kept = len(said) >= len(was) && equalLists(was, said[:len(was)]); s.kept {
		s.added = said[len(was):]
	}
	if s.ruled && text(old, "verdict") != "" {
		s.former = formerVerdict(old)
		if s.filed = len(s.added) > 0 && equal(s.added[0], s.former); s.filed {
			s.added = s.added[1:]
		}
	}
	return s
}

// formerVerdict is the comment that a verdict becomes when another replaces it.
func formerVerdict(review map[string]any) map[string]any {
	said := text(review, "verdict")
	if comment := []rune(text(review, "comment")); len(comment) > maxFormer {
		said += ": " + string(comment[:maxFormer]) + "…"
	} else if len(comment) > 0 {
		said += ": " + string(comment)
	}
	former := map[string]any{"text": said}
	for field, from := range map[string]string{"author": "reviewer", "at": "at"} {
		if value := text(review, from); value != "" {
			former[field] = value
		}
	}
	return former
}

// wrong says what may not be done to a review, by nobody.
func (s *reviewed) wrong() (what, next string) {
	switch verdict := text(s.is, "verdict"); {
	case verdict == "" && text(s.old, "verdict") != "":
		return "has a verdict, which can't be taken back", "give another verdict: it stands instead, and this one is kept as a comment"
	case !s.kept:
		return "has comments, which can't be changed", "read the record again, and add yours after the last in status.review.comments"
	case verdict == "" && text(s.is, "comment") != "":
		return "was sent a comment on a verdict without the verdict", "add it to status.review.comments, or set status.review.verdict"
	case len(s.added) > maxNewComments:
		return fmt.Sprintf("was sent %d comments at once, and takes %d", len(s.added), maxNewComments), "say it in fewer"
	case len(s.added) > 0 && len(list(s.old, "comments"))+len(s.added) > maxSaid:
		return fmt.Sprintf("has room for %d comments, and no more", maxSaid), "say it with a verdict, or elsewhere"
	}
	return "", ""
}

// signed says that what is new bears the requester's name and the time.
func (s *reviewed) signed(user string, now time.Time) bool {
	if text(s.is, "verdict") == "" && (text(s.is, "reviewer") != "" || text(s.is, "at") != "") {
		return false
	}
	if s.ruled && (text(s.is, "reviewer") != user || !near(text(s.is, "at"), now)) || s.former != nil && !s.filed {
		return false
	}
	return !slices.ContainsFunc(s.added, func(c any) bool {
		comment, _ := c.(map[string]any)
		return text(comment, "author") != user || !near(text(comment, "at"), now)
	})
}

func near(at string, now time.Time) bool {
	t, err := time.Parse(time.RFC3339, at)
	return err == nil && t.Sub(now).Abs() <= clocks
}

// SignedReview is status.review of the request's object as it is to be stored: with the
// requester's name and the time in what is new, whatever was sent, and the verdict that
// is replaced among the comments. ok is false where there is no review.
func SignedReview(req *Request, now time.Time) (review map[string]any, ok bool) {
	is := child(req.Object, "status", "review")
	if is == nil {
		return nil, false
	}
	s, at := reviewing(child(req.Old, "status", "review"), is), now.UTC().Format(time.RFC3339)
	out := maps.Clone(is)
	if text(is, "verdict") == "" {
		delete(out, "reviewer")
		delete(out, "at")
	}
	if s.ruled {
		out["reviewer"], out["at"] = req.User.Name, at
	}
	said := slices.Clone(list(s.old, "comments"))
	if s.former != nil {
		said = append(said, s.former)
	}
	for _, c := range s.added {
		if comment, isMap := c.(map[string]any); isMap {
			signed := maps.Clone(comment)
			signed["author"], signed["at"] = req.User.Name, at
			c = signed
		}
		said = append(said, c)
	}
	if len(said) > 0 {
		out["comments"] = said
	}
	return out, true
}
