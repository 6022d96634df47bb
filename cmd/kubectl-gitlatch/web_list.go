package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// mostRows is how many records the list shows.
const mostRows = 200

type webList struct {
	Filter   webFilter
	Outcomes []string
	Table    webTable
	Total    int
}

// webFilter is the form as it was filled in.
type webFilter struct {
	Outcome, User, Namespace, Kind, Since string
	Unreviewed                            bool
}

type webTable struct {
	Caption string
	Rows    []webRow
}

type webRow struct {
	Name, Age, Who, Verb, Target, Story, Review string
	Outcome                                     v1alpha1.Outcome
	Phase                                       v1alpha1.Phase
	At                                          time.Time
	Count                                       int64
}

func (s *site) list(w http.ResponseWriter, r *http.Request) {
	s.greet(r)
	shown := webFilterOf(r.URL.Query())
	view := &webList{Filter: shown, Outcomes: outcomeNames()}
	page := webView{title: "Records", template: "list", content: view}
	f, err := shown.filter(s.now())
	if err != nil {
		page.wrong, page.status = err.Error(), http.StatusBadRequest
		s.show(w, r, page)
		return
	}
	reader, err := s.server.records()
	if err != nil {
		s.failed(w, r, err)
		return
	}
	newest := newNewest(mostRows)
	err = reader.each(r.Context(), pageOptions(f.selector()), func(found *v1alpha1.ChangeRecord) error {
		if f.matches(found) {
			newest.add(found)
		}
		return nil
	})
	if err != nil {
		s.failed(w, r, err)
		return
	}
	view.Table = webTable{Caption: "Records, the newest first", Rows: webRows(newest.sorted(), s.now())}
	view.Total = len(newest.seen)
	s.show(w, r, page)
}

func webFilterOf(asked url.Values) webFilter {
	text := func(name string) string { return strings.TrimSpace(asked.Get(name)) }
	return webFilter{Outcome: text("outcome"), User: text("user"), Namespace: text("namespace"), Kind: text("kind"),
		Since: text("since"), Unreviewed: text("unreviewed") == "true"}
}

func (f webFilter) filter(now time.Time) (*filter, error) {
	selected := &filter{outcome: f.Outcome, user: f.User, namespace: f.Namespace, kind: f.Kind, unreviewed: f.Unreviewed}
	if f.Since != "" {
		period, err := parsePeriod(f.Since)
		if err != nil {
			return nil, fmt.Errorf("%q is no time: use one such as 30d or 12h", f.Since)
		}
		selected.after = now.Add(-period)
	}
	return selected, selected.check()
}

func webRows(records []v1alpha1.ChangeRecord, now time.Time) []webRow {
	rows := make([]webRow, 0, len(records))
	for i := range records {
		one := &records[i]
		rows = append(rows, webRow{
			Name: one.Name, At: lastSeen(one), Age: age(lastSeen(one), now), Outcome: one.Spec.Outcome, Who: one.Spec.Requester.Username,
			Verb: verb(&one.Spec.Request), Target: target(one), Story: storyLink(one), Count: record.Attempts(one),
			Phase: record.PhaseOf(one), Review: join(verdict(one), withLabel("by", reviewer(one))),
		})
	}
	return rows
}
