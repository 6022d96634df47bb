package alert

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// FuzzReadConfig: whatever stands in the file, the answer is a configuration that can be
// used, or one line that does not quote what is secret.
func FuzzReadConfig(f *testing.F) {
	for _, seed := range []string{
		"", "receivers: []", "cluster: prod\nreceivers:\n- {name: a, type: slack, urlFile: url}\n",
		"receivers:\n- {name: a, type: cloudevents, url: 'http://a/hunter2', perMinute: 3, headers: [{name: A, value: hunter2}]}\n",
		"receivers: &a [*a]", "a: &a [x,x]\nb: [*a,*a]", "receivers: [{<<: {name: a}}]", "\x00", "--- \n---\n", "receivers: !!binary aGk=",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := ReadConfig(data, "/dir")
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || !utf8.ValidString(err.Error()) {
				t.Errorf("not one line: %q", err)
			}
			return
		}
		names := map[string]bool{}
		for _, r := range config.Receivers {
			if r.Name == "" || names[r.Name] || r.Type == "" || (r.URL == "") == (r.URLFile == "") || r.PerMinute < 1 {
				t.Errorf("a receiver that can't be used: %+v", r)
			}
			names[r.Name] = true
			if r.URL != "" {
				if _, err := parseURL(r.URL); err != nil {
					t.Errorf("an address that can't be used: %v", err)
				}
			}
		}
	})
}

// loose is an ampersand that begins none of the three entities.
var loose = regexp.MustCompile(`&(?:amp;|lt;|gt;)`)

// FuzzSlackText: nothing that a user chose is markup, and no more than so much is sent.
func FuzzSlackText(f *testing.F) {
	for _, seed := range []string{"alice", "<!channel> & <@U1>", "&&&&&&&&&&&&&&&&&&&&&", "@here", "\xff<", "a\nb", "&lt;", "日本語日本語日本語日本語"} {
		f.Add(seed, 20)
	}
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = 8 + max(most, -most)%4000
		got := slackText(s, most)
		if len(got) > most || !utf8.ValidString(got) {
			t.Errorf("%d bytes of at most %d, valid %t: %q", len(got), most, utf8.ValidString(got), got)
		}
		if rest := loose.ReplaceAllString(got, ""); strings.ContainsAny(rest, "<>&") || strings.Contains(rest, "@channel") {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// FuzzDescribe: a record whose every text the requester chose makes messages that are
// JSON, one line a field, and small.
func FuzzDescribe(f *testing.F) {
	f.Add("alice", "web", "why", "UPDATE")
	f.Add("a\nwho: bob", "<!channel>", "\u202egnp.exe", "\x00")
	f.Add(strings.Repeat("&", 5000), strings.Repeat("\xff", 3000), strings.Repeat("日", 2000), "")
	f.Fuzz(func(t *testing.T, user, target, text, operation string) {
		rec := denied()
		rec.Spec.Requester = v1alpha1.Requester{Username: user, Groups: []string{text, user}}
		rec.Spec.Request.Name, rec.Spec.Request.Operation, rec.Spec.Message = target, operation, text
		rec.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: text}
		for range 30 {
			rec.Spec.Changes = append(rec.Spec.Changes, v1alpha1.Change{Path: target, From: "hunter2", To: "hunter2"})
		}
		n := describe(rec, text, false)
		for _, line := range append(n.lines, said{"title", n.title}) {
			if strings.ContainsAny(line.text, "\n\r\x00\u202e") || !utf8.ValidString(line.text) {
				t.Errorf("%s: %q", line.label, line.text)
			}
		}
		for _, language := range []Type{Slack, Alertmanager, CloudEvents} {
			m, err := compose(language, []notice{n}, n.began)
			if err != nil || len(m.body) > 20<<10 || !utf8.Valid(m.body) {
				t.Errorf("%s: %d bytes, %v", language, len(m.body), err)
			}
			if !strings.Contains(user+target+text+operation, "hunter2") && strings.Contains(string(m.body), "hunter2") {
				t.Errorf("%s shows a value", language)
			}
		}
	})
}
