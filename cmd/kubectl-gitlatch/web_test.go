package main

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/signals"
)

const webPort = 4000

// webUnderTest is a guard before a site whose API server notes what it is asked and
// knows nothing.
func webUnderTest(t testing.TB) (g *guard, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r.Method+" "+r.URL.Path)
		http.Error(w, "nothing is here", http.StatusNotFound)
	}))
	t.Cleanup(api.Close)
	t.Setenv("HOME", t.TempDir())
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: %q}}], contexts: [{name: c, context: {cluster: c}}]}`, api.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := newServer(ignoredStreams())
	server.flags.KubeConfig = &kubeconfig
	s, err := newSite(server, noon, "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return newGuard(s, webPort), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// visit is a request of the browser that opened the link, unless it is changed.
func visit(g *guard, method, path string, form url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host = "127.0.0.1:4000"
	r.AddCookie(&http.Cookie{Name: g.cookie, Value: g.secret})
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func TestTheGuardLetsOnlyItsOwnBrowserThrough(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name, method string
		form         func(g *guard) url.Values
		change       func(*http.Request)
		want         int
		through      bool
	}{
		{name: "its own browser", method: "GET", want: 404, through: true},
		{name: "by the name localhost", method: "GET", change: func(r *http.Request) { r.Host = "localhost:4000" }, want: 404, through: true},
		{name: "a foreign name that leads here", method: "GET", change: func(r *http.Request) { r.Host = "evil.example:4000" }, want: 421},
		{name: "another port", method: "GET", change: func(r *http.Request) { r.Host = "127.0.0.1:4001" }, want: 421},
		{name: "no cookie", method: "GET", change: func(r *http.Request) { r.Header.Del("Cookie") }, want: 403},
		{name: "a wrong cookie", method: "GET", change: header("Cookie", "gitlatch-4000=guess"), want: 403},
		{name: "its own form", method: "POST", form: own, want: 303, through: true},
		{name: "a form without a cookie", method: "POST", form: own, change: func(r *http.Request) { r.Header.Del("Cookie") }, want: 403},
		{name: "a form of another site", method: "POST", form: own, change: header("Sec-Fetch-Site", "cross-site"), want: 403},
		{name: "a form of another port", method: "POST", form: own, change: header("Sec-Fetch-Site", "same-site"), want: 403},
		{name: "a form of another origin, from an old browser", method: "POST", form: own, want: 403, change: func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "http://evil.example")
		}},
		{name: "a form with a wrong word", method: "POST", form: func(*guard) url.Values { return url.Values{"csrf": {"guess"}, "verdict": {"Approved"}} }, want: 403},
		{name: "a form without the word", method: "POST", form: func(*guard) url.Values { return url.Values{"verdict": {"Approved"}} }, want: 403},
		{name: "a form that is too long", method: "POST", want: 400, form: func(g *guard) url.Values {
			return url.Values{"csrf": {g.site.csrf}, "comment": {strings.Repeat("x", maxBody)}}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g, asked := webUnderTest(t)
			path, form := "/nothing", url.Values(nil)
			if test.form != nil {
				path, form = "/records/cr-1", test.form(g)
			}
			w := visit(g, test.method, path, form, test.change)
			if w.Code != test.want {
				t.Errorf("got %d, want %d:\n%s", w.Code, test.want, w.Body)
			}
			if reached := slices.Contains(asked(), "GET /apis/gitlatch.dev/v1alpha1/changerecords/cr-1"); test.form != nil && reached != test.through {
				t.Errorf("reached the API server: %t, want %t: %v", reached, test.through, asked())
			}
			if strings.Contains(w.Body.String(), g.secret) || !test.through && strings.Contains(w.Body.String(), g.site.csrf) {
				t.Error("the page shows a secret")
			}
		})
	}
}

func own(g *guard) url.Values { return url.Values{"csrf": {g.site.csrf}, "verdict": {"Approved"}} }

func TestTheLinkWorksOnce(t *testing.T) {
	g, _ := webUnderTest(t)
	link, err := url.Parse(g.link())
	if err != nil {
		t.Fatal(err)
	}
	stranger := func(r *http.Request) { r.Header.Del("Cookie") }
	if w := visit(g, "GET", "/?key=guess", nil, stranger); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
		t.Errorf("a guess: %d %v", w.Code, w.Result().Cookies())
	}
	w := visit(g, "GET", link.RequestURI(), nil, stranger)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Errorf("the link: %d, to %q", w.Code, w.Header().Get("Location"))
	}
	want := []string{g.cookie + "=" + g.secret + "; Path=/; HttpOnly; SameSite=Strict"}
	if diff := cmp.Diff(want, w.Header().Values("Set-Cookie")); diff != "" {
		t.Errorf("cookie (-want +got):\n%s", diff)
	}
	if w := visit(g, "GET", link.RequestURI(), nil, stranger); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
		t.Errorf("the link a second time: %d", w.Code)
	}
	if w := visit(g, "GET", link.RequestURI(), nil, nil); w.Code != http.StatusSeeOther {
		t.Errorf("the link a second time, in the same browser: %d", w.Code)
	}
}

func TestEveryAnswerIsShielded(t *testing.T) {
	g, _ := webUnderTest(t)
	want := http.Header{}
	shield(want)
	for _, path := range []string{"/", "/static/style.css", "/static/none", "/nothing", "/records", "/?key=guess"} {
		got := visit(g, "GET", path, nil, nil).Header()
		for name := range want {
			if diff := cmp.Diff(want[name], got[name]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", path, name, diff)
			}
		}
	}
}

// TestReadingChangesNothing: whatever a link says, only a form acts.
func TestReadingChangesNothing(t *testing.T) {
	g, asked := webUnderTest(t)
	act := "?" + url.Values{"csrf": {g.site.csrf}, "verdict": {"Approved"}, "comment": {"fine"}, "kind": {"Deployment"}, "name": {"web"}}.Encode()
	for _, path := range []string{"/", "/review", "/records", "/records/cr-1", "/object"} {
		if w := visit(g, "GET", path+act, nil, nil); !strings.Contains(w.Body.String(), "<h1>") {
			t.Errorf("%s is no page: %d %s", path, w.Code, w.Body)
		}
	}
	for _, one := range asked() {
		if !strings.HasPrefix(one, "GET ") && one != "POST /apis/authentication.k8s.io/v1/selfsubjectreviews" {
			t.Errorf("reading sent %s", one)
		}
	}
	if len(asked()) == 0 {
		t.Error("no page asked the API server")
	}
}

func TestAPanicIsNotShown(t *testing.T) {
	g, _ := webUnderTest(t)
	g.site.routes.HandleFunc("GET /boom", func(http.ResponseWriter, *http.Request) { panic("the inside") })
	w := visit(g, "GET", "/boom", nil, nil)
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "the inside") || !strings.Contains(w.Body.String(), "<h1>") {
		t.Errorf("got %d: %s", w.Code, w.Body)
	}
}

func TestAnAnswerIsChecked(t *testing.T) {
	tests := []struct {
		name, verdict, comment, want string
	}{
		{"an approval needs no comment", "Approved", "", "<nil>"},
		{"a rejection needs one", "Rejected", "", "a rejection needs a reason: write as its comment why, and what should be done"},
		{"a comment alone has to be one", "", "", "there is nothing to say yet: write a comment"},
		{"a comment alone is at most so long", "", strings.Repeat("ä", 1025), "the comment has 1025 characters, and at most 1024 are kept"},
		{"a verdict's may be longer", "Rejected", strings.Repeat("ä", 1025), "<nil>"},
		{"a word that is no verdict", "Maybe", "", `"Maybe" is no verdict`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := fmt.Sprint(checkAnswer(v1alpha1.ReviewVerdict(test.verdict), test.comment)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestPagesEscapeWhatOthersWrote: names, messages, reasons and links are somebody's own
// words.
func TestPagesEscapeWhatOthersWrote(t *testing.T) {
	g, _ := webUnderTest(t)
	const evil = `"><script>alert(1)</script>`
	one := emergency()
	one.Spec.Requester.Username, one.Spec.Message, one.Spec.Request.Name, one.Spec.BreakGlass.Reason = evil, evil, evil, evil
	one.Spec.Changes = []v1alpha1.Change{{Path: evil, From: evil, To: evil, Declared: true}}
	one.Spec.ChangesOmitted = 2
	one.Status.Review = &v1alpha1.Review{Comments: []v1alpha1.ReviewComment{{Author: evil, Text: evil}}}
	card := g.site.card(&one, evil, evil)
	number := 97.28
	views := map[string]any{
		"home": webHomeOf(&signals.Report{
			At: noon(), Missing: []string{evil}, Windows: []signals.Window{{User: evil, Reason: evil, Target: evil, Record: evil, Until: noon().Add(time.Minute)}},
			Signals: []signals.Signal{{Question: evil, Verdict: signals.Good, Number: &number, Unit: "percent", Summary: evil, Evidence: []string{evil}, Advice: evil}},
			Syncs:   []signals.Sync{{Namespace: evil, Name: evil, State: evil, Message: evil}},
		}),
		"review": &webReview{Cards: []webCard{card}, Total: 3, Key: evil},
		"one":    card,
		"list": &webList{Filter: webFilter{User: evil, Namespace: evil, Kind: evil, Since: evil, Unreviewed: true}, Outcomes: outcomeNames(),
			Table: webTable{Caption: "c", Rows: webRows([]v1alpha1.ChangeRecord{one}, noon())}, Total: 2},
		"story": &webStory{Declared: evil, Problem: evil, Events: []webEvent{
			webEventOf(&one), {Kind: "Committed", Who: evil, What: evil, Link: "javascript:alert(1)", Detail: evil, At: noon()}}},
		"wrong": evil,
	}
	for name, view := range views {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			g.site.show(w, httptest.NewRequest(http.MethodGet, "/", nil), webView{title: evil, wrong: evil, template: name, content: view})
			page := w.Body.String()
			if strings.Contains(page, "<script>") || strings.Contains(page, "javascript:") {
				t.Errorf("not escaped:\n%s", page)
			}
			if !strings.Contains(page, template.HTMLEscapeString("<script>alert(1)</script>")) {
				t.Errorf("what was written is not shown:\n%s", page)
			}
		})
	}
	if !card.Mine || !strings.Contains(visitCard(t, g, card), "This is your own change") {
		t.Error("one's own change is not marked")
	}
}

func visitCard(t *testing.T, g *guard, card webCard) string {
	t.Helper()
	var out strings.Builder
	if err := g.site.pages.ExecuteTemplate(&out, "one", card); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestNumbersOfSignals(t *testing.T) {
	for unit, want := range map[string]string{"percent of objects": "97.3 %", "seconds in which": "97.3 s", "days since": "97.3 days", "changes around git": "97.3"} {
		number := 97.28
		if got := webNumber(&signals.Signal{Number: &number, Unit: unit}); got != want {
			t.Errorf("%s: got %q, want %q", unit, got, want)
		}
	}
	if got := webNumber(&signals.Signal{Unit: "percent"}); got != "–" {
		t.Errorf("none: %q", got)
	}
}
