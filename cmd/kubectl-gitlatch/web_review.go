package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/reporter/review"
)

// mostCards is how many records the page of reviews shows.
const mostCards = 50

type webReview struct {
	Cards []webCard
	Total int
	Key   string
}

// webCard is a record as its reviewer sees it.
type webCard struct {
	Name, Heading, Target, Story string
	Overdue, Mine                bool
	Facts                        []fact
	Changes                      []v1alpha1.Change
	Omitted                      int32
	Comments                     []webComment
	Form                         webForm
}

type webComment struct {
	Author, Text string
	At           time.Time
}

type webForm struct{ Name, Key, Back string }

func (s *site) card(found *v1alpha1.ChangeRecord, user, back string) webCard {
	sheet := &sheet{}
	describeRecord(sheet, found, s.now())
	c := webCard{
		Name: found.Name, Target: target(found), Story: storyLink(found),
		Heading: join(string(found.Spec.Outcome), strings.TrimSpace(found.Spec.Requester.Username+" "+verb(&found.Spec.Request)+" "+target(found))),
		Overdue: review.Overdue{}.Is(found, s.now()), Mine: user != "" && user == found.Spec.Requester.Username,
		Facts: sheet.facts, Changes: found.Spec.Changes, Omitted: found.Spec.ChangesOmitted,
		Form: webForm{Name: found.Name, Key: s.csrf, Back: back},
	}
	if found.Status.Review != nil {
		for _, one := range found.Status.Review.Comments {
			c.Comments = append(c.Comments, webComment{Author: orNone(one.Author), Text: one.Text, At: one.At.Time})
		}
	}
	return c
}

// storyLink leads to the story of a record's target.
func storyLink(found *v1alpha1.ChangeRecord) string {
	request := &found.Spec.Request
	kind, name := request.Resource, request.Name
	if kind == "" {
		kind = request.Kind
	}
	if found.Status.Name != "" {
		name = found.Status.Name
	}
	return "/object?" + url.Values{"group": {request.Group}, "kind": {kind}, "namespace": {request.Namespace}, "name": {name}}.Encode()
}

func (s *site) review(w http.ResponseWriter, r *http.Request) {
	s.greet(r)
	reader, err := s.server.records()
	if err != nil {
		s.failed(w, r, err)
		return
	}
	waiting, err := reader.waiting(r.Context(), &filter{}, func(*v1alpha1.ChangeRecord) bool { return true })
	if err != nil {
		s.failed(w, r, err)
		return
	}
	user, _ := s.who(r.Context()) // greet has said it
	view := &webReview{Total: len(waiting), Key: s.csrf}
	for i := range waiting[:min(len(waiting), mostCards)] {
		view.Cards = append(view.Cards, s.card(&waiting[i], user, "/review"))
	}
	s.show(w, r, webView{title: "Review", template: "review", content: view, waiting: len(waiting)})
}

// record is the page of one.
func (s *site) record(w http.ResponseWriter, r *http.Request) {
	s.greet(r)
	name := r.PathValue("name")
	reader, err := s.server.records()
	if err != nil {
		s.failed(w, r, err)
		return
	}
	found, err := reader.get(r.Context(), name)
	if err != nil {
		s.failed(w, r, explainReview(err, name))
		return
	}
	user, _ := s.who(r.Context())
	card := s.card(found, user, "/records/"+found.Name)
	s.show(w, r, webView{title: "Record " + found.Name, template: "one", content: card})
}

// judge gives a verdict, or adds a comment, and leads back to where the form was.
func (s *site) judge(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	said, err := s.answer(r.Context(), name, v1alpha1.ReviewVerdict(r.PostForm.Get("verdict")), strings.TrimSpace(r.PostForm.Get("comment")))
	s.say(said, err)
	back := "/records/" + url.PathEscape(name)
	if r.PostForm.Get("back") == "/review" {
		back = "/review"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// answer has the gate sign a verdict or a comment; what the gate refuses, it says.
func (s *site) answer(ctx context.Context, name string, given v1alpha1.ReviewVerdict, comment string) (string, error) {
	if err := checkAnswer(given, comment); err != nil {
		return "", err
	}
	reader, err := s.server.records()
	if err != nil {
		return "", err
	}
	after, err := reader.change(ctx, name, func(found *v1alpha1.ChangeRecord) (*change, error) {
		switch {
		case given == "":
			return commentOn(found, comment), nil
		case record.Reviewed(found):
			return nil, fmt.Errorf("record %s is %s by %s already: kubectl gitlatch review … --overrule gives another verdict", name,
				strings.ToLower(string(found.Status.Review.Verdict)), found.Status.Review.Reviewer)
		}
		return verdictOn(found, given, comment), nil
	})
	if err != nil {
		return "", err
	}
	stored := after.Status.Review
	switch said := comments(after); {
	case given == "" && (said == 0 || stored.Comments[said-1].Author == ""), given != "" && (stored == nil || stored.Reviewer == ""):
		return "", unsigned(name)
	case given == "":
		return fmt.Sprintf("%s is commented on by %s.", name, stored.Comments[said-1].Author), nil
	}
	return fmt.Sprintf("%s is %s by %s.", name, strings.ToLower(string(stored.Verdict)), stored.Reviewer), nil
}

func checkAnswer(given v1alpha1.ReviewVerdict, comment string) error {
	most := maxVerdictComment
	switch given {
	case v1alpha1.ReviewApproved:
	case v1alpha1.ReviewRejected:
		if comment == "" {
			return errors.New("a rejection needs a reason: write as its comment why, and what should be done")
		}
	case "":
		if most = maxComment; comment == "" {
			return errors.New("there is nothing to say yet: write a comment")
		}
	default:
		return fmt.Errorf("%q is no verdict", given)
	}
	if n := utf8.RuneCountInString(comment); n > most {
		return fmt.Errorf("the comment has %d characters, and at most %d are kept", n, most)
	}
	return nil
}
