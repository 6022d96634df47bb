package audit

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// told is what the walk reads of a line, as text.
type told struct {
	Kind, APIVersion, Stage, Verb, URI              string
	Group, Version, Resource, Subresource           string
	Namespace, Name                                 string
	Code                                            int
	User, Impersonated, Annotations, Sent, Answered string
}

func walked(line []byte) (told, bool) {
	var h head
	_, ok := members(line, func(key, value []byte) bool {
		if slot := h.slot(key); slot != nil {
			*slot = value
		}
		return true
	})
	h.readRef()
	h.readStatus()
	return told{
		unquote(h.kind), unquote(h.apiVersion), unquote(h.stage), unquote(h.verb), unquote(h.uri),
		h.group, h.version, h.resource, h.subresource, h.namespace, h.name, h.code,
		string(h.user), string(h.impersonated), string(h.annotations), string(h.sent), string(h.answered),
	}, ok
}

// decoded is the same, read by the standard library.
func decoded(line []byte) (told, bool) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil || all == nil {
		return told{}, false
	}
	word := func(raw json.RawMessage) string {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	}
	inside := func(name string) map[string]json.RawMessage {
		var of map[string]json.RawMessage
		_ = json.Unmarshal(all[name], &of) // no object has no members
		return of
	}
	ref := inside("objectRef")
	return told{
		word(all["kind"]), word(all["apiVersion"]), word(all["stage"]), word(all["verb"]), word(all["requestURI"]),
		word(ref["apiGroup"]), word(ref["apiVersion"]), word(ref["resource"]), word(ref["subresource"]), word(ref["namespace"]), word(ref["name"]),
		number(inside("responseStatus")["code"]),
		string(all["user"]), string(all["impersonatedUser"]), string(all["annotations"]), string(all["requestObject"]), string(all["responseObject"]),
	}, true
}

// FuzzScan: whatever a line is, the walk ends; and where the line is JSON, it reads what
// the standard library reads.
func FuzzScan(f *testing.F) {
	for _, line := range sampleLines(f) {
		f.Add(line)
		f.Add(line[:len(line)/2])
	}
	for _, line := range []string{
		``, `{`, `{}`, `{"`, `{"kind"`, `{"kind":`, `{"kind":"Event"`, `{"kind":"Event",`, `[]`, `"kind"`, `{"a":{"b":[1,{"c":"}"}]}}`,
		`{"kind" : "Event" , "verb":"cr\u0065ate","v\u0065rb":"get"}`, `{"kind":"\\","verb":"\\\"","stage":"\\\\"}`,
		`{"verb":"ä","objectRef":{"resource":"pods","subresource":"ex\u0065c"},"responseStatus":{"code":201}}`,
		`{"verb":null,"objectRef":null,"responseStatus":[],"annotations":{"a/b":"c"}} trailing`, "{\"verb\":\"\xff\"}",
	} {
		f.Add([]byte(line))
	}
	s := newSifter(&court{})
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			line = bytes.ReplaceAll(line, []byte("\n"), []byte(" "))
		}
		s.sift(bytes.Clone(line), 1, true)
		want, valid := decoded(line)
		if !valid || !utf8.Valid(line) {
			return
		}
		got, ok := walked(line)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("ok %t (-want +got):\n%s", ok, diff)
		}
	})
}

func TestALineAboutAReadIsLeftEarly(t *testing.T) {
	line := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","verb":"list","objectRef":{"resource":"pods"},"responseObject":`
	var h head
	skip, problem := h.read([]byte(line))
	if skip != SkipRead || problem != "" {
		t.Errorf("skip %q, problem %q", skip, problem)
	}
}

func TestTheObjectsAreCutOutOfALine(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{`{"a":1,"requestObject":{"x":1},"responseObject":{"y":2},"b":2}`, `{"a":1,"requestObject":null,"responseObject":null,"b":2}`},
		{`{"responseObject":{"y":2},"requestObject":{"x":1}}`, `{"responseObject":null,"requestObject":null}`},
		{`{"a":1,"responseObject":{"y":2}}`, `{"a":1,"responseObject":null}`},
		{`{"a":1}`, `{"a":1}`},
	} {
		var h head
		line := append([]byte("before"), append([]byte(test.line), "after"...)...)[6 : 6+len(test.line)]
		if _, ok := members(line, func(key, value []byte) bool {
			if slot := h.slot(key); slot != nil {
				*slot = value
			}
			return true
		}); !ok {
			t.Fatal("no object")
		}
		if got := string(without(line, h.sent, h.answered)); got != test.want {
			t.Errorf("%s: %s", test.line, got)
		}
	}
}

func TestTheTimeOfALine(t *testing.T) {
	h := head{received: []byte(`"2026-03-02T14:11:00.123456Z"`)}
	if want := time.Date(2026, 3, 2, 14, 11, 0, 123456000, time.UTC); !h.at().Equal(want) {
		t.Errorf("%s, want %s", h.at(), want)
	}
	if at := (&head{received: []byte(`1`)}).at(); !at.IsZero() {
		t.Errorf("%s of no time", at)
	}
}
