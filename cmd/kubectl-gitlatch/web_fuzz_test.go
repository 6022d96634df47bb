package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// FuzzWebQuery: whatever an address or a form says, each page is made, keeps its shields, and shows what it was given as
// text; no form without the key of these pages is answered, and one with it leads back to these pages.
func FuzzWebQuery(f *testing.F) {
	g, _ := webUnderTest(f)
	paths := []string{"/", "/review", "/records", "/records/cr-1", "/object", "/static/style.css", "/nowhere"}
	for i := range paths {
		f.Add(uint8(i), "x", "outcome=Denied&user=alice&since=30d", "verdict=Approved&comment=ok&back=/review", false, false)
		f.Add(uint8(i), "<b>\"'&", "kind=pods&name=a&namespace=b&group=c&since=-1d", "comment=%zz&csrf=", true, false)
	}
	f.Add(uint8(3), "../..%2f?", "key=x&unreviewed=true;a=b", "a=%00", true, true)
	f.Add(uint8(3), "//evil.example", "", "back=//evil.example&verdict=Rejected", true, true)
	f.Fuzz(func(t *testing.T, at uint8, text, query, form string, posts, keyed bool) {
		const marker = `"><zq`
		given, err := url.ParseQuery(query)
		if err != nil {
			given = url.Values{}
		}
		for _, name := range []string{"user", "namespace", "kind", "since", "name", "group"} {
			if given.Has(name) {
				given.Set(name, marker+given.Get(name)+text)
			}
		}
		path, method := paths[int(at)%len(paths)], http.MethodGet
		if path == "/records/cr-1" {
			path = "/records/" + url.PathEscape("cr-"+text)
		}
		if posts {
			method = http.MethodPost
		}
		if keyed {
			form = "csrf=" + g.site.csrf + "&" + form
		}
		w := visit(g, method, path+"?"+given.Encode(), url.Values{}, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
		})
		body, to := w.Body.String(), w.Header().Get("Location")
		switch {
		case w.Code == http.StatusInternalServerError || strings.Contains(body, "This page could not be made"):
			t.Errorf("%s %s: %d: %.300s", method, path, w.Code, body)
		case strings.Contains(body, marker):
			t.Errorf("%s %s shows what it was given as markup: %.600s", method, path, body)
		case w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff":
			t.Errorf("%s %s: the shields are gone: %v", method, path, w.Header())
		case posts && !keyed && !strings.HasPrefix(path, "/static/") && w.Code != http.StatusForbidden && w.Code != http.StatusBadRequest:
			t.Errorf("%s %s without the key: %d", method, path, w.Code)
		case to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")):
			t.Errorf("%s %s leads to %q", method, path, to)
		}
		shown := webFilterOf(given)
		if selected, err := shown.filter(noon()); err == nil {
			if _, err := labels.Parse(selected.selector()); err != nil {
				t.Errorf("%+v is asked for by %q: %v", shown, selected.selector(), err)
			}
		}
	})
}
